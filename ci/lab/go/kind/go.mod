module meshcheck.invalid/lab/kind

go 1.26

require sigs.k8s.io/kind v0.30.0

