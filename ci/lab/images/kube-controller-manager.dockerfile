FROM scratch
COPY root /
COPY kubernetes/bin/kube-controller-manager /usr/local/bin/
ENTRYPOINT ["/usr/local/bin/kube-controller-manager"]
