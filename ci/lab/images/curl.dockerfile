ARG tools
FROM $tools
COPY curl-entrypoint.sh /entrypoint.sh
USER 100:101
ENTRYPOINT ["/entrypoint.sh"]
CMD ["curl"]
