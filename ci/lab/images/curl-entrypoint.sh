#!/bin/sh
# As in the original image: options are curl's, anything else is a program.
set -e
if [ "${1#-}" != "${1}" ] || [ -z "$(command -v "${1}")" ]; then
    set -- curl "$@"
fi
exec "$@"
