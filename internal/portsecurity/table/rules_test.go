package table

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/nftables"
	"github.com/google/nftables/expr"
)

var update = flag.Bool("update", false, "write the golden file")

// TestRules shows all rules as text.
func TestRules(t *testing.T) {
	var b strings.Builder
	for _, c := range rules() {
		hook := map[*nftables.ChainHook]string{nftables.ChainHookPrerouting: " (hook prerouting)", nftables.ChainHookInput: " (hook input)"}[c.hook]
		fmt.Fprintf(&b, "%s%s:\n", c.name, hook)
		for _, r := range c.rules {
			var parts []string
			for _, e := range r {
				parts = append(parts, describe(e))
			}
			fmt.Fprintf(&b, "    %s\n", strings.Join(parts, " "))
		}
	}
	compareGolden(t, "rules.txt", b.String())
}

// compareGolden compares a text with a golden file.
func compareGolden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got), -update writes it:\n%s", path, diff)
	}
}

// describe writes a part of a rule: a load as what is loaded, a comparison as what
// it compares to.
func describe(e expr.Any) string {
	switch e := e.(type) {
	case *expr.Payload:
		return fmt.Sprintf("%s[%d:%d]%s", map[expr.PayloadBase]string{
			expr.PayloadBaseLLHeader: "ethernet", expr.PayloadBaseNetworkHeader: "network", expr.PayloadBaseTransportHeader: "transport",
		}[e.Base], e.Offset, e.Offset+e.Len, place(e.DestRegister))
	case *expr.Meta:
		return map[expr.MetaKey]string{expr.MetaKeyIIF: "iif", expr.MetaKeyIIFNAME: "iifname", expr.MetaKeyPROTOCOL: "protocol", expr.MetaKeyL4PROTO: "l4proto"}[e.Key] + place(e.Register)
	case *expr.Exthdr:
		return fmt.Sprintf("exthdr %d[%d:%d]%s", e.Type, e.Offset, e.Offset+e.Len, place(e.DestRegister))
	case *expr.Bitwise:
		return fmt.Sprintf("& %x", e.Mask)
	case *expr.Cmp:
		return fmt.Sprintf("%s %x", []string{"==", "!=", "<", "<=", ">", ">="}[e.Op], e.Data)
	case *expr.Lookup:
		return map[bool]string{true: "not in ", false: "in "}[e.Invert] + e.SetName
	case *expr.Dynset:
		if len(e.Exprs) == 0 {
			return "add to " + e.SetName
		}
		limit := e.Exprs[0].(*expr.Limit)
		return fmt.Sprintf("update %s over %d/s burst %d", e.SetName, limit.Rate, limit.Burst)
	case *expr.Verdict:
		return strings.TrimSpace(map[expr.VerdictKind]string{expr.VerdictAccept: "accept", expr.VerdictDrop: "drop", expr.VerdictGoto: "goto"}[e.Kind] + " " + e.Chain)
	}
	return fmt.Sprintf("%T", e)
}

// place returns where a field lies in a concatenation, unless it is the first.
func place(register uint32) string {
	if register == reg0 {
		return ""
	}
	return fmt.Sprint("@", 4*(register-reg0))
}

// Every chain of a guest's ends in a drop, and every chain that is gone to is there.
func TestChainsOfGuests(t *testing.T) {
	all := rules()
	for _, c := range all {
		for _, r := range c.rules {
			verdict, ok := r[len(r)-1].(*expr.Verdict)
			if ok && verdict.Kind == expr.VerdictGoto && !slices.ContainsFunc(all, func(o chain) bool { return o.name == verdict.Chain }) {
				t.Errorf("%s goes to %s, which is not there", c.name, verdict.Chain)
			}
		}
		last := c.rules[len(c.rules)-1]
		verdict, _ := last[0].(*expr.Verdict)
		if strings.HasPrefix(c.name, "guest") && (len(last) != 1 || verdict == nil || !strings.HasPrefix(verdict.Chain, "drop_")) {
			t.Errorf("%s does not end in a drop", c.name)
		}
	}
}
