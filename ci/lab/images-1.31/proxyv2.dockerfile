ARG tools
FROM $tools
COPY istio/bin/pilot-agent /usr/local/bin/
COPY envoy/envoy /usr/local/bin/
COPY istio/files/tools/packaging/common/envoy_bootstrap.json /var/lib/istio/envoy/envoy_bootstrap_tmpl.json
ENTRYPOINT ["/usr/local/bin/pilot-agent"]
