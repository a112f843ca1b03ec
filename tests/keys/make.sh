#!/bin/sh
# Makes the keyrings of this folder anew, with GnuPG 2.2: `sh make.sh`. The keys are for tests alone.
set -eu
folder=$(cd "$(dirname "$0")" && pwd)
GNUPGHOME=$(mktemp -d)
export GNUPGHOME
make() { # name, algorithm, passphrase
    gpg --batch --quiet --pinentry-mode loopback --passphrase "$3" --quick-generate-key "$1" "$2" sign never
}
make 'Chart Signer (test) <signer@example.com>' rsa2048 ''
make 'Locked Signer <locked@example.com>' rsa2048 'correct horse'
make 'Other Signer <other@example.com>' ed25519 ''
gpg --batch --quiet --yes --pinentry-mode loopback --passphrase 'correct horse' \
    --output "$folder/secring.gpg" --export-secret-keys
gpg --batch --quiet --yes --output "$folder/pubring.gpg" --export signer@example.com locked@example.com
gpg --batch --quiet --yes --output "$folder/other.gpg" --export other@example.com
gpg --batch --quiet --yes --armor --output "$folder/pubring.asc" --export signer@example.com
gpgconf --kill gpg-agent
rm -r "$GNUPGHOME"
