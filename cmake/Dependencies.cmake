# Every third-party library that photovec links, found once. All come from Debian packages
# (scripts/install-deps); Debian 12 and 13 differ only in versions, see the notes beside each.
find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
find_package(Boost 1.81 REQUIRED COMPONENTS json)   # 1.81 on Debian 12, 1.83 on Debian 13
find_package(OpenSSL REQUIRED)
find_package(CURL REQUIRED)

# oneDNN: 2.6 on Debian 12, 3.x on Debian 13. Debian's own CMake config insists on OpenCL headers that a CPU-only
# user does not need, so the two files are found by hand.
find_path(DNNL_INCLUDE_DIR oneapi/dnnl/dnnl.hpp REQUIRED)
find_library(DNNL_LIBRARY dnnl REQUIRED)
add_library(DNNL::dnnl UNKNOWN IMPORTED)
set_target_properties(DNNL::dnnl PROPERTIES IMPORTED_LOCATION "${DNNL_LIBRARY}"
                      INTERFACE_INCLUDE_DIRECTORIES "${DNNL_INCLUDE_DIR}")

# SentencePiece: its pkg-config file would link the trainer, too.
find_path(SENTENCEPIECE_INCLUDE_DIR sentencepiece_processor.h REQUIRED)
find_library(SENTENCEPIECE_LIBRARY sentencepiece REQUIRED)
add_library(sentencepiece::sentencepiece UNKNOWN IMPORTED)
set_target_properties(sentencepiece::sentencepiece PROPERTIES IMPORTED_LOCATION "${SENTENCEPIECE_LIBRARY}"
                      INTERFACE_INCLUDE_DIRECTORIES "${SENTENCEPIECE_INCLUDE_DIR}")

find_package(JPEG REQUIRED)
find_package(GIF REQUIRED)
find_package(ZLIB REQUIRED)
find_package(fmt REQUIRED)
find_package(CLI11 REQUIRED)
find_package(prometheus-cpp CONFIG REQUIRED COMPONENTS core)
# toml++ is headers only, and its switches change its types: the same ones wherever it is included.
add_library(photovec_toml INTERFACE)
target_compile_definitions(photovec_toml INTERFACE TOML_EXCEPTIONS=0 TOML_ENABLE_FORMATTERS=0)
pkg_check_modules(spng REQUIRED IMPORTED_TARGET spng)
pkg_check_modules(webp REQUIRED IMPORTED_TARGET libwebp libwebpdemux)
pkg_check_modules(lcms2 REQUIRED IMPORTED_TARGET lcms2)
pkg_check_modules(heif REQUIRED IMPORTED_TARGET libheif)   # opened at run time, linked by tests. 1.15 on Debian 12, 1.19 on Debian 13
# Opened at run time, by src/decode/formats/libraries.cc: only their headers are needed; tests link libjxl and OpenJPEG.
pkg_check_modules(tiff REQUIRED IMPORTED_TARGET libtiff-4)
pkg_check_modules(jxl REQUIRED IMPORTED_TARGET libjxl)
pkg_check_modules(openjpeg REQUIRED IMPORTED_TARGET libopenjp2)
pkg_check_modules(seccomp REQUIRED IMPORTED_TARGET libseccomp)
pkg_check_modules(hwy REQUIRED IMPORTED_TARGET libhwy)
pkg_check_modules(utf8proc REQUIRED IMPORTED_TARGET libutf8proc)
if(PHOTOVEC_TESTS)
  find_package(GTest REQUIRED)
  include(GoogleTest)
endif()
