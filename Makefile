# headrace: `make help` lists what there is. Only Go is needed to build and for a plain `go test ./...`.
SHELL := /bin/bash
CACHE ?= $(or $(HEADRACE_CACHE),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/headrace)
SERVICES ?= .services
# Tools are pinned in tools.mod and built once for all clones.
TOOLS := $(CACHE)/tools/$(shell cksum <tools.mod | tr -d ' ')
# The race detector needs a C compiler.
RACE ?= $(shell [ "$$(go env CGO_ENABLED)" = 1 ] && command -v "$$(go env CC)" >/dev/null && echo -race)
PKG ?= ./...
FUZZTIME ?= 10s
PROGRAM ?= headrace
BENCH ?= .

.PHONY: help build test unit vet lint fmt check fuzz bench image release vuln services services-down clean
help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# The tag leaves a look-up of methods by name out of the validator, for which the linker would keep every method.
BUILD := CGO_ENABLED=0 go build -trimpath -tags validator_novalidatefn -ldflags "-s -w"

build: ## ./headrace, static
	$(BUILD) -o $(PROGRAM) ./cmd/headrace

test: ## every test, with the real services that this machine has the tools for
	@[ -n "$(RACE)" ] || echo 'no C compiler: the tests run without the race detector'
	services/with.sh $(SERVICES) go test $(RACE) -count=1 -p 2 -timeout 20m $(PKG)

unit: ## the tests that need nothing but Go
	go test $(PKG)

vet: ## go vet
	go vet ./...

lint: $(TOOLS)/golangci-lint ## golangci-lint with .golangci.yml
	$< run

fmt: $(TOOLS)/golangci-lint ## format and mend what can be mended by machine
	$< fmt
	$< run --fix || true

check: build vet lint test ## what a reviewer runs

fuzz: ## each fuzz target for FUZZTIME
	@services/fuzz.sh $(FUZZTIME)

bench: ## Go benchmarks; `go run ./bench -h` measures whole servers
	go test -run '^$$' -bench '$(BENCH)' -benchmem $(PKG)

image: ## the image, with docker or podman
	$(or $(shell command -v docker),$(shell command -v podman),docker) build -f docker/Dockerfile -t headrace .

release: ## tars for amd64 and arm64 with checksums and SBOM, in dist/
	docker/release.sh dist $(VERSION)

vuln: $(TOOLS)/govulncheck ## known vulnerabilities; needs Go's vulnerability database
	$< ./...

services: ## start the real services and leave them: `. .services/env`
	services/up.sh $(SERVICES)

services-down: ## stop them
	services/down.sh $(SERVICES)

clean: services-down ## what was made here; caches outside the clone stay
	rm -rf headrace headrace-data dist $(SERVICES)
	go clean -testcache

golangci-lint = github.com/golangci/golangci-lint/v2/cmd/golangci-lint
govulncheck = golang.org/x/vuln/cmd/govulncheck
benchstat = golang.org/x/perf/cmd/benchstat
$(TOOLS)/%: tools.mod
	@echo 'building $* (once; some minutes)'
	@mkdir -p $(@D)
	go build -modfile=tools.mod -o $@.new $($*) && mv $@.new $@
