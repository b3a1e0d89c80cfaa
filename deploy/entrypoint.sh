#!/bin/sh
# Secrets as files, as Compose and Kubernetes mount them: NAME_FILE=/run/secrets/name becomes NAME, unless it is empty.
set -eu
for name in DATABASE_URL OPENAI_API_KEY PREFECT_API_AUTH_STRING PREFECT_SERVER_API_AUTH_STRING \
  PREFECT_API_DATABASE_CONNECTION_URL $(env | sed -n 's/^\(OPENAI_API_KEY_[A-Z0-9_]*\)_FILE=.*/\1/p'); do
  eval "file=\${${name}_FILE:-}"
  [ -n "$file" ] || continue
  unset "${name}_FILE"
  value=$(cat "$file")
  [ -z "$value" ] || export "$name=$value"
done
exec "$@"
