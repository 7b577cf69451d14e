#!/bin/sh
# Records what Alertmanager's own `amtool check-config` says of each file here. The tests read the record and
# need no amtool. The verdicts in use are those of Debian 12's prometheus-alertmanager (0.25.0).
cd "$(dirname "$0")" || exit 1
for file in *.yml; do
    if said=$(amtool check-config "$file" 2>&1); then
        echo "${file%.yml}: SUCCESS"
    else
        said=$(printf '%s' "$said" | tr '\n' ' ' | sed -n 's/.*FAILED: \(.*\) amtool: error.*/\1/p')
        printf '%s: FAILED %s\n' "${file%.yml}" "${said:-by a crash}"
    fi
done > verdicts.txt
