ARG tools
FROM $tools
COPY kubernetes/bin/kube-proxy /usr/local/bin/
