FROM scratch
COPY root /
COPY kubernetes/bin/kube-apiserver /usr/local/bin/
ENTRYPOINT ["/usr/local/bin/kube-apiserver"]
