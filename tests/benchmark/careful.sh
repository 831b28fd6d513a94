#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# The rollback plan as a careful person scripts it, with the ordinary tools: it looks before it acts, waits for what it
# started, proves the backup by reading it, and puts back the replicas it found. The baseline of rollback.py.
# Wants KUBECONFIG, PG*, VAULT_ADDR, VAULT_TOKEN, SHOP_URL, SHOP_INTERNAL_URL, SHOP_DIRECTORY, WEBHOOK_URL, SMTP_URL and
# BACKUPS; takes no arguments. Written for one service, one database and one secret, as such scripts are.
set -euo pipefail

namespace=production deployment=api-server container=api
release=1.4.2 previous=1.4.1 schema=41 secret_version=6
image="shop/api-server:$previous"
dump="$BACKUPS/careful-$release.dump"
scratch="$(mktemp -d)"
trap 'rm -rf -- "$scratch"' EXIT
umask 077

kube() { kubectl --namespace "$namespace" "$@"; }
vault() { curl --silent --show-error --fail --header "X-Vault-Token: $VAULT_TOKEN" "$@"; }
say() { printf '%(%H:%M:%S)T %s\n' -1 "$1"; }
stop() {
    say "STOPPED: $1" >&2
    exit 1
}

tell() { # people, of an event
    curl --silent --fail --output /dev/null --json "{\"text\": \"[ROLLBACK] $1\"}" "$WEBHOOK_URL/careful" &
    printf 'From: rollback@example.test\nTo: team@example.test\nSubject: [ROLLBACK] %s\n\n%s\n' "$1" "$1" |
        curl --silent --url "$SMTP_URL" --mail-from rollback@example.test --mail-rcpt team@example.test --upload-file - &
    wait
}

until_equal() { # seconds, wanted, command...: wait until the command prints what is wanted
    local end=$((SECONDS + $1)) wanted="$2" found=""
    shift 2
    while found="$("$@")" && [[ "$found" != "$wanted" ]]; do
        ((SECONDS < end)) || stop "still '$found' instead of '$wanted': $*"
        sleep 0.2
    done
}

# What is there, and is it what the plan speaks of?
live="$(kube get deployment "$deployment" --output json)"
replicas="$(jq -r .spec.replicas <<<"$live")"
running="$(jq -r --arg name "$container" '.spec.template.spec.containers[] | select(.name == $name).image' <<<"$live")"
[[ "$running" == "shop/api-server:$release" ]] || stop "$running runs, not $release"
((replicas > 0)) || stop "$deployment has no replicas to put back"
revision="$(kube get replicasets --selector "app=$deployment" --output json |
    jq -r --arg image "$image" '[.items[] | select(.spec.template.spec.containers[0].image == $image)
        | .metadata.annotations["deployment.kubernetes.io/revision"] | tonumber] | max')"
[[ "$revision" != null ]] || stop "no revision of $deployment has the image $image"
"$SHOP_DIRECTORY/migrate.sh" status --env production >"$scratch/status"
secret="$VAULT_ADDR/v1/secret/data/production/app-config"
vault --output "$scratch/previous.json" "$secret?version=$secret_version"
current="$(vault "$secret" | jq .data.metadata.version)"

tell "$deployment is being rolled back from $release to $previous"

# Keep requests away, stop the service, and wait until it has stopped.
selector="$(kube get service "$deployment" --output json | jq -c .spec.selector)"
kube patch service "$deployment" --type merge --patch '{"spec":{"selector":{"app":"maintenance"}}}' >/dev/null
kube scale deployment "$deployment" --replicas 0 >/dev/null
kube wait pod --selector "app=$deployment" --for delete --timeout 60s >/dev/null 2>&1 || true
until_equal 30 0 bash -c "kubectl --namespace $namespace get pods --selector app=$deployment --output name | wc -l"
say "stopped"

# Nothing is migrated without a backup that can be read to its end.
pg_dump --format custom --file "$dump.part"
pg_restore --file /dev/null "$dump.part"
sha256sum "$dump.part" >"$dump.sha256"
mv "$dump.part" "$dump"
say "backed up: $(stat --format %s "$dump") bytes"

# Configuration, schema and code go back, and whatever copies the secret has to follow.
jq --argjson cas "$current" '{options: {cas: $cas}, data: .data.data}' "$scratch/previous.json" >"$scratch/write.json"
vault --output /dev/null --request POST --data "@$scratch/write.json" "$secret"
wanted="$(jq -S -c .data.data "$scratch/previous.json" | sha256sum)"
# shellcheck disable=SC2016
until_equal 60 "$wanted" bash -c 'kubectl --namespace production get secret app-config --output json |
    jq -S -c ".data | map_values(@base64d)" | sha256sum'
say "configured"
"$SHOP_DIRECTORY/migrate.sh" down --env production --to-version "$schema" >"$scratch/migrated"
"$SHOP_DIRECTORY/scripts/validate-data.sh" >"$scratch/validated"
say "migrated"
kube rollout undo deployment "$deployment" --to-revision "$revision" >/dev/null
kube scale deployment "$deployment" --replicas "$replicas" >/dev/null
kube rollout status deployment "$deployment" --timeout 120s >/dev/null
pods="$(kube get pods --selector "app=$deployment" --output json)"
good="$(jq --arg image "$image" '[.items[] | select(.spec.containers[0].image == $image
    and any(.status.conditions[]; .type == "Ready" and .status == "True"))] | length' <<<"$pods")"
((good == replicas)) || stop "$good of $replicas pods serve $image"
say "$good pods serve $image"

# Every pod has the configuration of the previous release.
jq -r '.data.data | to_entries[] | "\(.key)=\(.value)"' "$scratch/previous.json" | sort >"$scratch/wanted.env"
for pod in $(jq -r '.items[].metadata.name' <<<"$pods"); do
    kube exec "$pod" -- env | sort | comm -13 - "$scratch/wanted.env" >"$scratch/missing"
    [[ ! -s "$scratch/missing" ]] || stop "$pod lacks $(cut -d= -f1 "$scratch/missing" | paste -sd ' ')"
done

# Smoke tests, behind the maintenance page.
[[ "$(curl --silent --fail "$SHOP_INTERNAL_URL/version" | jq -r .version)" == "$previous" ]] || stop "wrong version"
curl --silent --fail --output /dev/null "$SHOP_INTERNAL_URL/health" || stop "not healthy"
token="$(curl --silent --fail --json '{"email": "customer01@example.test", "password": "sandbox-customer"}' \
    "$SHOP_INTERNAL_URL/auth/login" | jq -r .token)"
found="$(curl --silent --fail --oauth2-bearer "$token" "$SHOP_INTERNAL_URL/api/products" | jq '.products | length')"
((found > 0)) || stop "no products"
say "smoke tests pass"

kube patch service "$deployment" --type json \
    --patch "[{\"op\": \"replace\", \"path\": \"/spec/selector\", \"value\": $selector}]" >/dev/null
# Not by "curl --retry": it obeys the half minute of Retry-After that the maintenance page still asks for.
# shellcheck disable=SC2016
until_equal 30 200 bash -c 'curl --silent --output /dev/null --write-out "%{http_code}" "$0/health" || true' "$SHOP_URL"
tell "$deployment rolled back from $release to $previous"
say "done"
