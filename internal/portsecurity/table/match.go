package table

import (
	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// The kernel's registers of 32 bits: fields of a concatenation lie side by side.
// Source: enum nft_registers of linux/netfilter/nf_tables.h.
const reg0 = 8

// EtherTypes, as they stand in a frame.
const (
	etherIPv4 = "\x08\x00"
	etherARP  = "\x08\x06"
	etherRARP = "\x80\x35"
	etherLLDP = "\x88\xcc"
	etherVLAN = "\x81\x00"
	etherQinQ = "\x88\xa8"
	etherIPv6 = "\x86\xdd"
)

// Numbers of protocols above IP.
const (
	protoICMP   = "\x01"
	protoIGMP   = "\x02"
	protoTCP    = "\x06"
	protoUDP    = "\x11"
	protoICMPv6 = "\x3a"
	protoPIM    = "\x67"
)

const (
	zero4 = "\x00\x00\x00\x00"
	zero6 = zero4 + zero4 + zero4 + zero4
)

// field is a part of a frame.
type field struct {
	load func(register uint32) expr.Any
	len  uint32
}

func payload(base expr.PayloadBase, offset, length uint32) field {
	return field{len: length, load: func(register uint32) expr.Any {
		return &expr.Payload{DestRegister: register, Base: base, Offset: offset, Len: length}
	}}
}

func meta(key expr.MetaKey, length uint32) field {
	return field{len: length, load: func(register uint32) expr.Any { return &expr.Meta{Key: key, Register: register} }}
}

// The fields that rules read. Those of the Ethernet header are as they were on the
// wire, with a VLAN tag if there is one; protocol and what follows are behind it.
var (
	iif         = meta(expr.MetaKeyIIF, 4)
	iifname     = meta(expr.MetaKeyIIFNAME, 16)
	protocol    = meta(expr.MetaKeyPROTOCOL, 2)
	transport   = meta(expr.MetaKeyL4PROTO, 1)
	etherTarget = payload(expr.PayloadBaseLLHeader, 0, 6)
	etherSource = payload(expr.PayloadBaseLLHeader, 6, 6)
	etherType   = payload(expr.PayloadBaseLLHeader, 12, 2)
	sourceType  = payload(expr.PayloadBaseLLHeader, 6, 8) // etherSource and etherType
	vlanID      = payload(expr.PayloadBaseLLHeader, 14, 2)
	innerType   = payload(expr.PayloadBaseLLHeader, 16, 2)

	arpHead      = payload(expr.PayloadBaseNetworkHeader, 0, 6) // hardware, protocol, lengths
	arpOperation = payload(expr.PayloadBaseNetworkHeader, 6, 2)
	arpSenderMAC = payload(expr.PayloadBaseNetworkHeader, 8, 6)
	arpSender    = payload(expr.PayloadBaseNetworkHeader, 14, 4)
	arpTarget    = payload(expr.PayloadBaseNetworkHeader, 24, 4)

	ip4Protocol = payload(expr.PayloadBaseNetworkHeader, 9, 1)
	ip6Next     = payload(expr.PayloadBaseNetworkHeader, 6, 1)
	ip4Fragment = payload(expr.PayloadBaseNetworkHeader, 6, 2)
	ip4Source   = payload(expr.PayloadBaseNetworkHeader, 12, 4)
	ip4Target   = payload(expr.PayloadBaseNetworkHeader, 16, 4)
	ip6Source   = payload(expr.PayloadBaseNetworkHeader, 8, 16)
	ip6Target   = payload(expr.PayloadBaseNetworkHeader, 24, 16)

	tcpFlags  = payload(expr.PayloadBaseTransportHeader, 13, 1)
	udpSource = payload(expr.PayloadBaseTransportHeader, 0, 2)
	udpTarget = payload(expr.PayloadBaseTransportHeader, 2, 2)
	// udpTargetHigh is the upper half of udpTarget: the port by 256.
	udpTargetHigh = payload(expr.PayloadBaseTransportHeader, 2, 1)
	icmpType      = payload(expr.PayloadBaseTransportHeader, 0, 1)
	ndTarget      = payload(expr.PayloadBaseTransportHeader, 8, 16)

	dhcpHead      = payload(expr.PayloadBaseTransportHeader, 8, 3) // request, Ethernet, length
	dhcpClientMAC = payload(expr.PayloadBaseTransportHeader, 8+28, 6)
	dhcp6Type     = payload(expr.PayloadBaseTransportHeader, 8, 1)
)

var (
	accept expr.Any = &expr.Verdict{Kind: expr.VerdictAccept}
	drop   expr.Any = &expr.Verdict{Kind: expr.VerdictDrop}
)

func goTo(chain string) expr.Any { return &expr.Verdict{Kind: expr.VerdictGoto, Chain: chain} }

// match joins what must hold, and the verdict.
func match(parts ...any) rule {
	var r rule
	for _, part := range parts {
		switch part := part.(type) {
		case []expr.Any:
			r = append(r, part...)
		case expr.Any:
			r = append(r, part)
		}
	}
	return r
}

func compareTo(f field, op expr.CmpOp, value string) []expr.Any {
	return []expr.Any{f.load(reg0), &expr.Cmp{Op: op, Register: reg0, Data: []byte(value)}}
}

func is(f field, value string) []expr.Any    { return compareTo(f, expr.CmpOpEq, value) }
func isNot(f field, value string) []expr.Any { return compareTo(f, expr.CmpOpNeq, value) }

// above and below compare a number of one or two bytes.
func above(f field, value uint16) []expr.Any { return compareTo(f, expr.CmpOpGt, number(f, value)) }
func below(f field, value uint16) []expr.Any { return compareTo(f, expr.CmpOpLt, number(f, value)) }

func number(f field, value uint16) string {
	return string(binaryutil.BigEndian.PutUint16(value)[2-f.len:])
}

func port(n uint16) string { return string(binaryutil.BigEndian.PutUint16(n)) }

// masked compares some bits of a field.
func masked(f field, mask string, op expr.CmpOp, value string) []expr.Any {
	return []expr.Any{
		f.load(reg0),
		&expr.Bitwise{SourceRegister: reg0, DestRegister: reg0, Len: f.len, Mask: []byte(mask), Xor: make([]byte, f.len)},
		&expr.Cmp{Op: op, Register: reg0, Data: []byte(value)},
	}
}

// isSYN reports whether a TCP segment opens a connection: of SYN and ACK it has
// only SYN.
func isSYN() []expr.Any { return masked(tcpFlags, "\x12", expr.CmpOpEq, "\x02") }

// pace is how many of something may come in the long run, and how many at once.
type pace struct {
	perSecond uint64
	atOnce    uint32
}

// tooMany reports whether more of a key came than a pace allows. The set keeps the
// count of each key.
func tooMany(set string, key field, allowed pace) []expr.Any {
	return []expr.Any{key.load(reg0), &expr.Dynset{
		SrcRegKey: reg0, SetName: set, Operation: unix.NFT_DYNSET_OP_UPDATE,
		Exprs: []expr.Any{&expr.Limit{Type: expr.LimitTypePkts, Rate: allowed.perSecond, Unit: expr.LimitTimeSecond, Burst: allowed.atOnce, Over: true}},
	}}
}

// noted puts fields into a set, or has the set keep them for longer. It does not match
// if the set is full.
func noted(set string, fields ...field) []expr.Any {
	return append(load(fields), &expr.Dynset{SrcRegKey: reg0, SetName: set, Operation: unix.NFT_DYNSET_OP_UPDATE})
}

func vlanZero() []expr.Any { return masked(vlanID, "\x0f\xff", expr.CmpOpEq, "\x00\x00") }

// control is what goes to 01:80:c2:00:00:00 to 0f, which bridges keep from each other.
func control() []expr.Any {
	return masked(etherTarget, "\xff\xff\xff\xff\xff\xf0", expr.CmpOpEq, "\x01\x80\xc2\x00\x00\x00")
}

// laterFragment4 is any but the first, which has no transport header.
func laterFragment4() []expr.Any { return masked(ip4Fragment, "\x1f\xff", expr.CmpOpNeq, "\x00\x00") }

// fragment4 is any packet with more fragments or an offset.
func fragment4() []expr.Any { return masked(ip4Fragment, "\x3f\xff", expr.CmpOpNeq, "\x00\x00") }

// linkLocal reports whether an address is within fe80::/10.
func linkLocal(f field) []expr.Any {
	return masked(f, "\xff\xc0"+zero6[2:], expr.CmpOpEq, "\xfe\x80"+zero6[2:])
}

// fragmentHeader is the number of IPv6's extension header.
const fragmentHeader = 44

func laterFragment6() []expr.Any {
	offset := field{len: 2, load: func(register uint32) expr.Any {
		return &expr.Exthdr{DestRegister: register, Type: fragmentHeader, Offset: 2, Len: 2, Op: expr.ExthdrOpIpv6}
	}}
	return masked(offset, "\xff\xf8", expr.CmpOpNeq, "\x00\x00")
}

// fragment6 is any packet with a fragment header.
func fragment6() []expr.Any {
	return []expr.Any{
		&expr.Exthdr{DestRegister: reg0, Type: fragmentHeader, Len: 1, Op: expr.ExthdrOpIpv6, Flags: 1}, // NFT_EXTHDR_F_PRESENT
		&expr.Cmp{Op: expr.CmpOpEq, Register: reg0, Data: []byte{1}},
	}
}

// in and notIn look fields up in a set. notIn does not match either if a field
// cannot be read.
func in(set string, fields ...field) []expr.Any    { return lookup(set, false, fields) }
func notIn(set string, fields ...field) []expr.Any { return lookup(set, true, fields) }

func lookup(set string, invert bool, fields []field) []expr.Any {
	return append(load(fields), &expr.Lookup{SourceRegister: reg0, SetName: set, Invert: invert})
}

// load loads fields side by side.
func load(fields []field) (all []expr.Any) {
	register := uint32(reg0)
	for _, f := range fields {
		all = append(all, f.load(register))
		register += (f.len + 3) / 4
	}
	return all
}

// verdictOf does what a map says of the fields, if it has them.
func verdictOf(verdicts string, fields ...field) rule {
	all := lookup(verdicts, false, fields)
	all[len(all)-1].(*expr.Lookup).IsDestRegSet = true
	return all
}

// bind ties lookups to the sets of a batch.
func bind(r rule, sets map[string]*nftables.Set) []expr.Any {
	bound := make([]expr.Any, len(r))
	for i, e := range r {
		switch found := e.(type) {
		case *expr.Lookup:
			copied := *found
			copied.SetID = sets[found.SetName].ID
			e = &copied
		case *expr.Dynset:
			copied := *found
			copied.SetID = sets[found.SetName].ID
			e = &copied
		}
		bound[i] = e
	}
	return bound
}
