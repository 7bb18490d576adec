# Headers, library, CMake package and pkg-config file in a prefix, and the test of these.

PREFIX ?= /usr/local
# Below PREFIX, so that what is installed finds its parts by where it lies: the tree may be moved,
# or staged in DESTDIR.
LIBDIR ?= lib
INSTALL ?= install

# $(call up,FOLDER): the way from FOLDER back to where it hangs.
up = $(subst $() $(),/,$(patsubst %,..,$(subst /, ,$(1))))
# Programs look for a DLL beside themselves and on the PATH, so it goes where programs go.
LIBRARY_DIR := $(if $(filter windows,$(TARGET)),bin,$(LIBDIR))
POINTER_BYTES := $(if $(filter 386 arm mips mipsle,$(shell $(GO) env GOARCH)),4,8)

# $(call fill_in,FILE,FOLDER): the package file that goes to FOLDER below the prefix.
define fill_in
sed -e 's|@VERSION@|$(VERSION)|g' -e 's|@SONAME@|$(RUNTIME_NAME)|' \
	-e 's|@LIBRARY_FILE@|$(LIBRARY_DIR)/$(LIBRARY)|' -e 's|@LINK_FILE@|$(LIBDIR)/$(LINK_NAME)|' \
	-e 's|@POINTER_BYTES@|$(POINTER_BYTES)|' -e 's|@TO_PREFIX@|$(call up,$(2))|' \
	bindings/install/$(1).in > build/$(1)
$(INSTALL) -m 644 build/$(1) "$(DESTDIR)$(PREFIX)/$(2)/$(1)"
endef

# The headers for C++ as one file.
build/dpattn.hpp: bindings/cpp/amalgamate.awk bindings/cpp/dpattn.hpp $(wildcard bindings/cpp/dpattn/*.hpp)
	@mkdir -p $(@D)
	cd bindings/cpp && awk -f amalgamate.awk dpattn.hpp > "$(CURDIR)/$@"

.PHONY: install
install: build build/dpattn.hpp ## headers, library, CMake package and pkg-config file into PREFIX (/usr/local)
	for folder in include $(LIBRARY_DIR) $(LIBDIR)/cmake/dpattn $(LIBDIR)/pkgconfig; do \
		$(INSTALL) -d "$(DESTDIR)$(PREFIX)/$$folder"; \
	done
	$(INSTALL) -m 644 include/dpattn.h build/dpattn.hpp bindings/ggml/dpattn-ggml.h "$(DESTDIR)$(PREFIX)/include"
	$(INSTALL) -m 755 build/$(LIBRARY) "$(DESTDIR)$(PREFIX)/$(LIBRARY_DIR)"
	$(if $(filter windows,$(TARGET)),$(INSTALL) -m 644 build/$(LINK_NAME) "$(DESTDIR)$(PREFIX)/$(LIBDIR)")
	$(call link_names,$(DESTDIR)$(PREFIX)/$(LIBDIR))
	$(call fill_in,dpattn-config.cmake,$(LIBDIR)/cmake/dpattn)
	$(call fill_in,dpattn-config-version.cmake,$(LIBDIR)/cmake/dpattn)
	$(call fill_in,dpattn.pc,$(LIBDIR)/pkgconfig)

.PHONY: test-install
test-install: build ## programs that use an installed tree, by CMake and by pkg-config
	@$(call apt_get,pkg-config,pkg-config)
	MAKEFLAGS= $(PYTHON) tests/install/consumers.py
