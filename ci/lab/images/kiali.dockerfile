FROM scratch
COPY root /
COPY kiali/bin/kiali /opt/kiali/
COPY kiali-console.html /opt/kiali/console/index.html
USER 1000
WORKDIR /opt/kiali
ENTRYPOINT ["/opt/kiali/kiali"]
