# Makes a headrace host of a fresh Amazon Linux 2023, as root, once, at the first start. Set before, by Terraform or
# CloudFormation: ARTIFACT (s3:// URL of the release's tar), SHA256 (its checksum), PROPERTIES (s3:// URL of the
# kafka-rest.properties), REGION, TRUSTED_PROXIES (networks of the load balancer), ROOT ('' but in tests).
set -euo pipefail
work=$(mktemp -d)
cd "$work"
aws s3 cp --only-show-errors --region "$REGION" "$ARTIFACT" headrace.tar.gz
echo "$SHA256  headrace.tar.gz" | sha256sum --check --quiet
tar -xzf headrace.tar.gz --strip-components=1
mkdir -p "$ROOT/usr/bin" "$ROOT/etc/systemd/system" "$ROOT/etc/kafka-rest"
install -m 755 headrace kafka-rest-start kafka-rest-stop kafka-rest-run-class "$ROOT/usr/bin/"
install -m 644 headrace.service "$ROOT/etc/systemd/system/headrace.service"
aws s3 cp --only-show-errors --region "$REGION" "$PROPERTIES" "$ROOT/etc/kafka-rest/kafka-rest.properties"
chmod 644 "$ROOT/etc/kafka-rest/kafka-rest.properties"
cat >"$ROOT/etc/kafka-rest/environment" <<EOF
AWS_REGION=$REGION
KAFKA_REST_HEADRACE_TRUSTED_PROXIES=$TRUSTED_PROXIES
EOF
rm -rf "$work"
systemctl daemon-reload
systemctl enable --now headrace
