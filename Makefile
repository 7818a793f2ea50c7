# make help lists the targets.

# The go command records the newest tag and the commit's date, which are the
# version. It fails where git does, as in a clone of another user.
VCS := $(if $(shell git rev-parse HEAD 2>/dev/null),auto,false)

# An older Go fetches the version that go.mod asks for.
export GOTOOLCHAIN ?= auto

.PHONY: help build check demo demo-fleet test troubles soak-fleet mutants bench bench-http bench-render bench-attack bench-boots clean check-go bin/mdserver bin/demo

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

build: bin/mdserver ## build bin/mdserver, one static binary

check-go:
	@scripts/check-go

bin/mdserver: check-go # Go knows best what is up to date
	CGO_ENABLED=0 go build -buildvcs=$(VCS) -trimpath -ldflags '-s -w' -o $@ ./cmd/mdserver

bin/demo: check-go
	CGO_ENABLED=0 go build -trimpath -o $@ ./test/demo

# Compilers take most of the time of check. They need a third less for our packages
# without inlining and debug information, and a twentieth less if they collect garbage
# only when they use two gibibytes. The other settings are those of build, so that
# each module is compiled once for both, and our packages once for all clones.
check: check-go ## run format, vet, staticcheck and the unit tests: needs neither root nor a network
	@CGO_ENABLED=0 GOGC=off GOMEMLIMIT=2GiB GOFLAGS="$$(go env GOFLAGS) -trimpath '-gcflags=-l -dwarf=false'" \
		scripts/test format vet staticcheck quick

demo: check-go ## show two guests finding address, name and configuration (as root)
	@scripts/demo

demo-fleet: check-go ## show three hosts with etcd, a guest that migrates, and what survives failures (as root)
	@scripts/demo-fleet

test: check-go ## run everything from unit to end-to-end tests, installing what it needs (as root)
	@scripts/install-deps test
	@scripts/test

troubles: check-go ## have each trouble of a boot happen ten times, and list how it was judged (as root): takes hours
	@scripts/install-deps test
	MDSERVER_TROUBLES=10 go test -count=1 -timeout 6h -tags e2e -run '^TestTroubledBoots$$' -v ./test/e2e

soak-fleet: check-go ## make faults around several hosts for a million requests (as root): takes hours
	@scripts/install-deps test
	MDSERVER_FLEET_REQUESTS=1000000 go test -count=1 -timeout 24h -tags e2e -v ./test/fleet

mutants: check-go ## list planted defects that the tests of PACKAGES miss: takes minutes
	go run ./test/mutants $(PACKAGES)

bench: check-go ## run the benchmarks
	go test -run '^$$' -bench . -benchmem ./...

bench-http: bin/mdserver ## measure requests beside a bare net/http handler
	go run ./bench/beside

bench-render: bin/mdserver ## measure a guest's requests while another guest's template fails
	go run ./bench/beside -render

bench-attack: bin/mdserver ## measure a boot while another guest attacks
	go run ./bench/beside -attack

bench-boots: bin/mdserver ## measure the record of boots of many guests
	go run ./bench/boots

clean: ## remove what was built
	rm -rf bin
