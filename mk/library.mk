# The library for C, and where its files lie.

# The version is the header's.
VERSION := $(shell sed -n 's/^\#define DPATTN_VERSION_[A-Z]* //p' include/dpattn.h | paste -sd. -)
MAJOR := $(firstword $(subst ., ,$(VERSION)))

# What the library is built for: GOOS=windows CC=x86_64-w64-mingw32-gcc CGO_ENABLED=1 crosses over.
TARGET := $(shell $(GO) env GOOS)

# A library has its file, the name that programs ask for, and the name that the linker asks for.
ifeq ($(TARGET),darwin)
LIBRARY := libdpattn.$(VERSION).dylib
RUNTIME_NAME := libdpattn.$(MAJOR).dylib
LINK_NAME := libdpattn.dylib
library_ldflags = -Wl,-install_name,@rpath/$(RUNTIME_NAME) -Wl,-exported_symbol,_dpattn_*
else ifeq ($(TARGET),windows)
LIBRARY := dpattn.dll
RUNTIME_NAME := dpattn.dll
LINK_NAME := libdpattn.dll.a
library_ldflags = "-Wl,--out-implib,$(CURDIR)/$(1)/$(LINK_NAME)"
else
LIBRARY := libdpattn.so.$(VERSION)
RUNTIME_NAME := libdpattn.so.$(MAJOR)
LINK_NAME := libdpattn.so
library_ldflags = -Wl,-soname,$(RUNTIME_NAME) "-Wl,--version-script=$(CURDIR)/capi/exports.map" -Wl,-z,nodelete
endif

# $(call link_names,FOLDER): the library's two other names, where links are usual.
ifneq ($(TARGET),windows)
define link_names
ln -sf $(LIBRARY) "$(1)/$(RUNTIME_NAME)"
ln -sf $(RUNTIME_NAME) "$(1)/$(LINK_NAME)"
endef
endif

SOURCES := include/dpattn.h go.mod go.sum \
	$(shell find core simd capi -name '*.go' -o -name '*.s' -o -name '*.[ch]' -o -name '*.map')

# $(call build_library,FOLDER,FLAGS of go build): the library and its two other names. go build also
# leaves a header of its own making, which is not ours.
define build_library
mkdir -p $(1)
flags='$(library_ldflags)'; \
	$(2) -trimpath -buildmode=c-shared -ldflags "-s -w -extldflags '$$flags'" -o $(1)/$(LIBRARY) ./capi
rm -f $(1)/$(basename $(LIBRARY)).h
$(link_names)
endef

build/$(LIBRARY): $(SOURCES)
	$(call build_library,build,$(GO) build)
