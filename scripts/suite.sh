# What the suites share that test a built server with libraries of other languages. Sourced at the project's root.

needed=(node:nodejs npm:npm openssl:openssl)
python3 -c 'import ensurepip, venv' 2>/dev/null || needed+=(:python3 :python3-venv)
if command -v dpkg >/dev/null && [ ! -e /etc/ssl/certs/ca-certificates.crt ]; then needed+=(:ca-certificates); fi

# Installs Debian packages, as scripts/packages takes them, besides those that every suite needs.
install_packages() { scripts/packages "${needed[@]}" "$@"; }

# install_python VENV REQUIREMENTS. The stamps say what is installed: nothing is fetched twice.
install_python() {
    local venv=$1 requirements=$2
    if cmp -s "$requirements" "$venv/installed" && "$venv/bin/python" -c '' 2>/dev/null; then return; fi
    python3 -m venv --clear "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check --no-input --requirement "$requirements"
    cp "$requirements" "$venv/installed"
}

# install_node FOLDER...
install_node() {
    local folder
    for folder in "$@"; do
        if cmp -s "$folder/package-lock.json" "$folder/node_modules/.installed"; then continue; fi
        npm --prefix "$folder" ci --no-audit --no-fund --loglevel=error
        cp "$folder/package-lock.json" "$folder/node_modules/.installed"
    done
}

# Exports CHANCERY_BIN, the server: one that is built already, or else it is built.
find_server() {
    if [ -z "${CHANCERY_BIN:-}" ]; then
        cargo build --locked --bin chancery
        CHANCERY_BIN=$(cargo metadata --format-version 1 --no-deps | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')/debug/chancery
    fi
    CHANCERY_BIN=$(realpath "$CHANCERY_BIN")
    export CHANCERY_BIN
}
