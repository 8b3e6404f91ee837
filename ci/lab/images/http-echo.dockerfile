FROM scratch
COPY root /
COPY http-echo/bin/http-echo /
USER 65532
ENTRYPOINT ["/http-echo"]
CMD ["-text", "hello-world"]
