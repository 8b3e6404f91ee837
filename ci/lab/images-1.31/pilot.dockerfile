ARG tools
FROM $tools
COPY istio/bin/pilot-discovery /usr/local/bin/
COPY istio/files/tools/packaging/common/envoy_bootstrap.json /var/lib/istio/envoy/envoy_bootstrap_tmpl.json
USER 1337:1337
ENTRYPOINT ["/usr/local/bin/pilot-discovery"]
