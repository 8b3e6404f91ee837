ARG tools
FROM $tools
COPY istio/bin/istio-cni /opt/cni/bin/
COPY istio/bin/install-cni /usr/local/bin/
WORKDIR /opt/cni/bin
CMD ["/usr/local/bin/install-cni"]
