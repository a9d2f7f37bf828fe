"""What packages of conda are called in the Python index, and which of them it does not have.

From conda-forge's own recipes, as far as environment files of projects name them. A name that is in none of these
tables is taken to be the same in both.
"""

from __future__ import annotations

import re

from projrun.core.regex import regex

RENAMED = {
    "arrow-cpp": "pyarrow",
    "dask-core": "dask",
    "keras-gpu": "keras",
    "matplotlib-base": "matplotlib",
    "msgpack-python": "msgpack",
    "opencv": "opencv-python-headless",
    "py-opencv": "opencv-python-headless",
    "py-xgboost": "xgboost",
    "py-xgboost-cpu": "xgboost",
    "py-xgboost-gpu": "xgboost",
    "pytables": "tables",
    "python-graphviz": "graphviz",
    "python-lmdb": "lmdb",
    "pytorch": "torch",
    "pytorch-cpu": "torch",
    "pytorch-gpu": "torch",
    "ray-core": "ray",
    "ruamel_yaml": "ruamel.yaml",
    "seaborn-base": "seaborn",
    "tensorflow-base": "tensorflow",
    "tensorflow-mkl": "tensorflow",
}

# Libraries below those of Python, which wheels bring along, and what conda needs for itself.
_BROUGHT = regex(
    r"""_.*|lib.+|.*-mutex|ld_impl_.*|intel-openmp|llvm-openmp|mkl.*|blas|.*blas|lapack|liblapack.*|nomkl|tbb
      |ca-certificates|ncurses|openssl|readline|sqlite|tk|tcl|xz|zlib|zstd|bzip2|lz4-c|icu|jpeg|freetype|fontconfig
      |cudatoolkit|cudnn|cuda-.*|pytorch-cuda|pytorch-mutex|cpuonly|python_abi|conda|conda-.*|xorg-.*|c-ares|krb5
      |glib|gstreamer|gst-plugins-base|qt|qt-main|pcre|expat|dbus|hdf5|giflib|lcms2|snappy|gflags|glog|re2|brotlipy
      |double-conversion|flatbuffers|gettext|gmp|mpfr|mpc|nettle|openh264|openjpeg|yaml|zeromq|zfp|pandoc|ninja""",
    re.VERBOSE,
)

# Programs and languages that are no packages of Python, and packages whose name there is somebody else's.
_ALONE = regex(
    r"""r|r-.*|mro-base|bioconductor-.*|openjdk|java-.*|maven|nodejs|ffmpeg|graphviz|git|git-lfs|make|compilers|gcc.*
      |gxx.*|gfortran.*|clang.*|c-compiler|cxx-compiler|fortran-compiler|openmpi|mpich|mpi|gdal|gdal-data|proj|geos
      |postgresql|mysql|redis|samtools|bedtools|bwa|bowtie2?|star|salmon|kallisto|fastqc|blast|hmmer|muscle|mafft
      |imagemagick|ghostscript|texlive.*|tectonic|curl|wget|rsync|tar|unzip|p7zip|go|rust|julia|perl|ruby|lua
      |faiss|faiss-gpu|cudf|cuml|cugraph|rapids|cupy-core|nccl|magma-.*|vtk-base|root|fenics|dolfin.*|pygraphviz""",
    re.VERBOSE,
)


def in_index(name: str) -> str | None:
    """What the package is called in the Python index; None when it has it not, "" when nothing needs it there."""
    if name in RENAMED:
        return RENAMED[name]
    if _ALONE.fullmatch(name):
        return None
    return "" if _BROUGHT.fullmatch(name) else name
