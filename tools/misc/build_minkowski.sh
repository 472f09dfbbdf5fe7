#!/bin/sh
# Build MinkowskiEngine for the CPU into the virtual environment: `make minkowski`.
# Only the sparse backend `Minkowski` needs it, which is there to compare with.
#
# VIDEOMAC_VENV  the environment (default .venv); `make venv` makes it
# MAX_JOBS       compilers at a time (default 2; each takes more than 1 GB of memory)
# CXX            the C++ compiler (default c++)
set -eu
cd "$(dirname "$0")/../.."

version=0.5.4
sum=b1879c00d0b0b1d30ba622cce239886a7e3c78ee9da1064cdfe2f64c2ab15f94
tools="pip==25.2 ninja==1.13.0"  # for the build only
venv=${VIDEOMAC_VENV:-.venv}
cxx=${CXX:-c++}
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
export MAX_JOBS="${MAX_JOBS:-2}"

say() { printf '%s\n' "$*"; }
fail() { printf 'make minkowski: %s\n' "$*" >&2; exit 1; }

imports() { "$venv/bin/python" -W ignore -c 'import MinkowskiEngine' >/dev/null 2>&1; }

# compiles FLAGS... <SOURCE: the compiler makes a library of the lines it is given.
compiles() {
    # shellcheck disable=SC2086  # CXX may be several words
    $cxx -x c++ -shared -fPIC - -o "$work/check.so" "$@" >/dev/null 2>&1
}

# logged COMMAND...: run it; its output is shown only if it fails.
logged() {
    "$@" >"$work/log" 2>&1 && return
    tail -n 40 "$work/log" >&2
    fail "the command above failed: $*"
}

check_system() {
    command -v "${cxx%% *}" >/dev/null 2>&1 ||
        fail "found no C++ compiler '$cxx'. Install one (Debian, Ubuntu: apt-get install" \
            "g++; Fedora: dnf install gcc-c++) or name yours: CXX=/path make minkowski"
    echo 'int one = 1;' | compiles -fopenmp ||
        fail "the C++ compiler '$cxx' cannot build a library with OpenMP. Install g++" \
            "(Debian, Ubuntu: apt-get install g++) and name it: CXX=g++ make minkowski"
    printf '#include <cblas.h>\nvoid *f = (void *)cblas_dgemm;\n' |
        compiles -lopenblas ||
        fail "found no OpenBLAS with its header cblas.h. Install it (Debian, Ubuntu:" \
            "apt-get install libopenblas-dev; Fedora: dnf install openblas-devel), or" \
            "set CPATH and LIBRARY_PATH to the folders of cblas.h and libopenblas.so."
    headers=$("$venv/bin/python" -c \
        'import sysconfig; print(sysconfig.get_paths()["include"])')
    echo '#include <Python.h>' | compiles -I"$headers" ||
        fail "found no Python.h in '$headers'. Install the headers of this Python" \
            "(Debian, Ubuntu: apt-get install python3-dev)."
}

fetch() {
    say "[1/3] Fetching MinkowskiEngine $version ..."
    # pip asks setup.py for the metadata, and that wants its options then already. Older
    # versions of pip cannot hand them on.
    logged "$python" -m pip install --target "$work/tools" $tools
    printf '%s\n' "MinkowskiEngine==$version --hash=sha256:$sum \\" \
        '  --config-settings="--global-option=--blas=openblas --cpu_only"' >"$work/pin.txt"
    logged env PYTHONPATH="$work/tools" "$python" -m pip download --use-pep517 \
        --no-deps --no-binary :all: --no-build-isolation -r "$work/pin.txt" -d "$work"
    mkdir "$work/source"
    tar xzf "$work/MinkowskiEngine-$version.tar.gz" -C "$work/source" --strip-components 1
    # Python 3.10 dropped this place of Sequence.
    find "$work/source/MinkowskiEngine" -name '*.py' -exec sed -i \
        -e 's/^from collections import Sequence, namedtuple$/from collections import namedtuple\
from collections.abc import Sequence/' \
        -e 's/^from collections import Sequence$/from collections.abc import Sequence/' {} +
}

build() {
    say "[2/3] Compiling 13 files: about ten minutes with MAX_JOBS=2 (now $MAX_JOBS) ..."
    cd "$work/source"
    logged "$python" setup.py bdist_wheel --blas=openblas --cpu_only
    cd "$here"
}

if [ ! -x "$venv/bin/python" ]; then
    fail "there is no environment '$venv'; make it first: make venv"
fi
if imports; then
    say "MinkowskiEngine is in '$venv' already."
    exit
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
check_system

here=$(pwd -P)
python=$(cd "$venv" && pwd -P)/bin/python
# Its setup.py calls `pip uninstall` with whichever pip it finds; it shall find none.
mkdir "$work/bin"
printf '#!/bin/sh\n' >"$work/bin/pip"
chmod +x "$work/bin/pip"
export PATH="$work/bin:$work/tools/bin:$PATH"

fetch
build
say "[3/3] Installing ..."
logged "$python" -m pip install --no-deps --no-index --force-reinstall \
    --find-links "$work/source/dist" "MinkowskiEngine==$version"
logged "$python" -W ignore -c 'import MinkowskiEngine'
say "Ready: MinkowskiEngine $version is in '$venv'."
