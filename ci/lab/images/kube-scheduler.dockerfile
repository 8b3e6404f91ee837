FROM scratch
COPY root /
COPY kubernetes/bin/kube-scheduler /usr/local/bin/
ENTRYPOINT ["/usr/local/bin/kube-scheduler"]
