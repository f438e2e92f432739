# SPDX-License-Identifier: MIT
# Which Debian packages photovec needs; sourced by install-deps. The one place where releases differ by name.
# shellcheck shell=bash disable=SC2034,SC1091
codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-unknown}")
case $codename in
  # libheif: HEIC and AVIF. Debian 12 builds the codecs into it, later releases make them packages.
  bookworm) boost=1.81; heif=(libheif1); heif_encoders=()
            codecs=(libtiff6 libjxl0.7 libopenjp2-7) ;;
  *)        boost=1.83   # Debian 13
            heif=(libheif1 libheif-plugin-libde265 libheif-plugin-dav1d)
            heif_encoders=(libheif-plugin-x265 libheif-plugin-aomenc)
            codecs=(libtiff6 libjxl0.11 libopenjp2-7) ;;
esac

build_packages=(
  ca-certificates g++ cmake ninja-build ccache pkg-config git
  "libboost$boost-dev" "libboost-json$boost-dev"
  libssl-dev libcurl4-openssl-dev libdnnl-dev libhwy-dev
  libjpeg62-turbo-dev libspng-dev libwebp-dev libgif-dev libheif-dev "${heif[@]}" liblcms2-dev zlib1g-dev libseccomp-dev
  libtiff-dev libjxl-dev libopenjp2-7-dev "${codecs[@]}"
  libutf8proc-dev libsentencepiece-dev
  libfmt-dev libcli11-dev libtomlplusplus-dev prometheus-cpp-dev
)
fuzz_packages=(clang libclang-rt-dev llvm libgtest-dev libgmock-dev)
bundle_packages=(patchelf binutils xz-utils)   # scripts/bundle
demo_packages=(curl python3 python3-numpy python3-pil)
test_packages=(
  libgtest-dev libgmock-dev clang-format clang-tidy
  python3 python3-venv python3-numpy python3-pil python3-opencv python3-torch curl
  libheif-examples "${heif_encoders[@]}"   # heif-enc and heif-convert: make and judge HEIC and AVIF
  libjxl-tools   # cjxl: makes JPEG XL
  "${bundle_packages[@]}"   # the bundle is made, moved and run
  python3-hypothesis   # draws the bodies of tests/integration/test_fuzz_api.py
  openssl   # makes the certificates of tests
  python3-jwt python3-cryptography   # judge and make the tokens of pretended Google accounts
  libopenblas0-pthread   # without it torch multiplies matrices with the reference BLAS, 30 times slower
)
