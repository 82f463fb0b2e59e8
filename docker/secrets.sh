#!/usr/bin/env bash
# Makes the secrets that compose.yaml and compose.s3.yaml mount, each readable by its owner alone. What is there already is kept.
# Usage: docker/secrets.sh [FOLDER]
set -euo pipefail
umask 077
folder=${1:-$(dirname "$0")/secrets}
mkdir -p "$folder"
cd "$folder"

random() { head -c 32 /dev/urandom | od -An -v -tx1 | tr -d ' \n'; }
keep() { if [[ -e $1 ]]; then cat >/dev/null; else cat >"$1"; fi; }

random | keep ray_token
random | keep postgres_password
random | keep mlflow_password
random | keep mlflow_session_key

random | keep s3_user
random | keep s3_password

keep s3_credentials <<END
[default]
aws_access_key_id = $(<s3_user)
aws_secret_access_key = $(<s3_password)
END

keep pg_service.conf <<END
[mlflow]
host=postgres
port=5432
dbname=mlflow
user=mlflow
password=$(<postgres_password)
END

keep mlflow_auth.ini <<END
[mlflow]
default_permission = NO_PERMISSIONS
database_uri = postgresql+psycopg:///?service=mlflow
admin_username = dropattack
admin_password = $(<mlflow_password)
authorization_function = mlflow.server.auth:authenticate_request_basic_auth
END

keep mlflow_credentials <<END
[mlflow]
mlflow_tracking_username = dropattack
mlflow_tracking_password = $(<mlflow_password)
END
