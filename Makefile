# make help lists the targets.

# A tagged commit gives its version and date; otherwise the source's stand.
VERSION := $(patsubst v%,%,$(shell git describe --tags --match 'v*' --dirty 2>/dev/null))
DATE    := $(shell git log -1 --format=%cs 2>/dev/null)
CONFIG  := mdserver/internal/config
LDFLAGS := -s -w $(if $(VERSION),-X $(CONFIG).Version=$(VERSION) -X $(CONFIG).ReleaseDate=$(DATE))

# An older Go fetches the version that go.mod asks for.
export GOTOOLCHAIN ?= auto

.PHONY: help build check demo test bench bench-http bench-render bench-attack clean bin/mdserver bin/demo

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

build: bin/mdserver ## build bin/mdserver, one static binary

bin/mdserver: # Go knows best what is up to date
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o $@ ./cmd/mdserver

bin/demo:
	CGO_ENABLED=0 go build -trimpath -o $@ ./test/demo

check: ## run format, vet, staticcheck and the unit tests: needs neither root nor a network
	@scripts/test format vet staticcheck quick

demo: ## show two guests finding address, name and configuration (as root)
	@scripts/demo

test: ## run everything from unit to end-to-end tests, installing what it needs (as root)
	@scripts/install-deps test
	@scripts/test

bench: ## run the benchmarks
	go test -run '^$$' -bench . -benchmem ./...

bench-http: bin/mdserver ## measure requests beside a bare net/http handler
	go run ./bench/beside

bench-render: bin/mdserver ## measure a guest's requests while another guest's template fails
	go run ./bench/beside -render

bench-attack: bin/mdserver ## measure a boot while another guest attacks
	go run ./bench/beside -attack

clean: ## remove what was built
	rm -rf bin
