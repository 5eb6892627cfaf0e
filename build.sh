#!/bin/sh
# Builds luatrain from a fresh checkout: installs what is missing, compiles, and runs what you ask.
#
#   ./build.sh            build into build/
#   ./build.sh demo       build, make a small data set, train the chord recipe on it, write a report
#   ./build.sh test       build, then every test through ctest (arguments go to ctest: -R ops)
#   ./build.sh sanitize   the same tests in a build with AddressSanitizer and UBSan
#   ./build.sh bench      build, then compare speed and memory with the peers that are installed
#   ./build.sh install [PREFIX]   build, then install (default /usr/local)
#   ./build.sh lv2        install lilv and three free LV2 synthesizers, then build with support for plugins
#   ./build.sh packages   name the Debian packages that are needed
#   ./build.sh clean      remove build folders
set -eu
cd "$(dirname "$0")"

build_packages="gcc libc6-dev cmake ninja-build pkg-config luajit libluajit-5.1-dev libsndfile1-dev libopenblas0-openmp libdnnl-dev libhdf5-dev libdeflate-dev"
run_packages="lua-cjson lua-yaml fluidsynth fluidr3mono-gm-soundfont gnuplot-nox libsqlite3-0"
test_packages="lua-busted libcmocka-dev"
lint_packages="lua-check"
sweep_packages="libpq5 slurm-client"
lv2_packages="liblilv-dev mda-lv2 calf-plugins synthv1-lv2"

say() { printf '%s\n' "build.sh: $*" >&2; }

# Which of the given packages are not installed, one line.
missing() {
    have=$(dpkg-query -W -f '${db:Status-Abbrev} ${Package}\n' "$@" 2>/dev/null | sed -n 's/^ii *//p')
    for p in "$@"; do
        printf '%s\n' "$have" | grep -qx "$p" || printf '%s ' "$p"
    done
}

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"
    elif command -v sudo >/dev/null 2>&1; then sudo "$@"
    else say "root is needed to run: $*"; exit 1
    fi
}

install_packages() {
    if ! command -v apt-get >/dev/null 2>&1; then
        command -v cmake >/dev/null 2>&1 && command -v pkg-config >/dev/null 2>&1 && return 0
        say "this is no Debian; install what these Debian packages hold, then try again:"
        say "  $*"
        exit 1
    fi
    need=$(missing "$@")
    [ -n "$need" ] || return 0
    say "installing: $need"
    as_root env DEBIAN_FRONTEND=noninteractive apt-get update -qq
    # shellcheck disable=SC2086
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $need \
        >/dev/null || { say "apt-get could not install: $need"; exit 1; }
}

# compile FOLDER [CMAKE ARGUMENTS]
compile() {
    folder=$1
    shift
    launcher=""
    command -v ccache >/dev/null 2>&1 && launcher="-DCMAKE_C_COMPILER_LAUNCHER=ccache"
    if [ ! -f "$folder/build.ninja" ]; then
        # shellcheck disable=SC2086
        cmake -S . -B "$folder" -G Ninja $launcher "$@" >"/tmp/luatrain-cmake.$$" 2>&1 || {
            cat "/tmp/luatrain-cmake.$$" >&2
            rm -f "/tmp/luatrain-cmake.$$"
            exit 1
        }
        rm -f "/tmp/luatrain-cmake.$$"
    fi
    ninja -C "$folder" ${NINJA_FLAGS:---quiet}
}

command=${1:-build}
[ $# -gt 0 ] && shift
case $command in
build)
    # shellcheck disable=SC2086
    install_packages $build_packages $run_packages
    compile build "$@"
    say "done: $(pwd)/build/luatrain (or: ./build.sh install)"
    ;;
test)
    # shellcheck disable=SC2086
    install_packages $build_packages $run_packages $test_packages
    # A build that was configured before the test packages came has no C tests: configure it again.
    if [ -f build/CMakeCache.txt ] && ! grep -q '^CMOCKA_FOUND:INTERNAL=1' build/CMakeCache.txt; then
        rm -f build/CMakeCache.txt build/build.ninja
    fi
    compile build
    # Corrupted inputs and crashes must not hang a test for ever.
    ctest --test-dir build --output-on-failure --timeout 600 "$@"
    ;;
sanitize)
    # shellcheck disable=SC2086
    install_packages $build_packages $run_packages $test_packages
    compile build-sanitize -DLT_SANITIZE=address,undefined
    # LuaJIT and libgomp keep memory until the process ends: leaks are counted by our own tests.
    ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1 \
        UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 \
        ctest --test-dir build-sanitize --output-on-failure --timeout 1200 "$@"
    ;;
demo)
    # shellcheck disable=SC2086
    install_packages $build_packages $run_packages
    compile build
    exec build/luatrain recipes/chord/demo.lua "$@"
    ;;
bench)
    # shellcheck disable=SC2086
    install_packages $build_packages $run_packages
    compile build
    exec build/luatrain tests/bench/bench.lua "$@"
    ;;
lint)
    # shellcheck disable=SC2086
    install_packages $lint_packages
    luacheck -q lua recipes examples tests
    ;;
install)
    # shellcheck disable=SC2086
    install_packages $build_packages $run_packages
    compile build
    if [ -w "${1:-/usr/local}" ] || [ -n "${1:-}" ]; then cmake --install build --prefix "${1:-/usr/local}" >/dev/null
    else as_root cmake --install build --prefix /usr/local >/dev/null
    fi
    say "installed: ${1:-/usr/local}/bin/luatrain"
    ;;
lv2)
    # shellcheck disable=SC2086
    install_packages $build_packages $run_packages $lv2_packages
    # A build that was configured without lilv looks for it again.
    [ -f build/CMakeCache.txt ] && ! grep -q '^LILV_FOUND:INTERNAL=1' build/CMakeCache.txt &&
        rm -f build/CMakeCache.txt build/build.ninja
    compile build
    build/luatrain-lv2 list
    ;;
packages)
    printf '%s\n' "$build_packages $run_packages" "for the tests: $test_packages" \
        "for sweeps on a PostgreSQL server or a Slurm cluster (optional; for their tests also postgresql slurm-wlm):" \
        "$sweep_packages" \
        "for LV2 plugins (optional): $lv2_packages"
    ;;
clean)
    rm -rf build build-sanitize build-fuzz
    ;;
help | --help | -h)
    sed -n '2,/^set /s/^# \{0,1\}//p' "$0" | sed '$d'
    ;;
*)
    say "unknown command '$command'"
    sed -n '2,/^set /s/^# \{0,1\}//p' "$0" | sed '$d' >&2
    exit 2
    ;;
esac
