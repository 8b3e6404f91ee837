# What nodes are made from, before images are put into it.
FROM scratch
ADD node/root.tar /
COPY kubernetes/bin/kubeadm kubernetes/bin/kubelet kubernetes/bin/kubectl /usr/bin/
ENV container=docker
STOPSIGNAL SIGRTMIN+3
