FROM scratch
COPY root /
COPY etcd/bin/etcd /usr/local/bin/
