# The file tree that some workload images stand on.
FROM scratch
ADD tools/root.tar /
