package connection

import "encoding/binary"

// shape is what the payload of a packet is made of. go-libvirt makes room for as
// many elements or bytes as the payload says, however short it is, and a few bytes
// can so end this process for want of memory. Only what fits is let through.
//
// go-libvirt could do so itself: its decoders would be made with a limit, which is
// the size of the payload (xdr.NewDecoderLimited in rpc.go and the generated calls).
type shape struct {
	each string // fields of the elements of the array that it begins with; empty: none
	rest string // fields after that
}

// The fields of a shape.
const (
	number   = 'i' // 4 bytes
	hyper    = 'h' // 8 bytes
	uuid     = 'u' // 16 bytes
	text     = 's' // its length and its bytes, filled up to a multiple of 4
	optional = '?' // 0, or 1 and a text
)

// Procedures are of the program for all drivers. Events are decoded whether asked
// for or not. Source: libvirt's src/remote/remote_protocol.x.
const remoteProgram = 0x20008086

const (
	domain  = "sui"
	network = "su"
)

// replies are the shapes of replies by procedure; others have one number at most.
var replies = map[uint32]shape{
	11:  {rest: domain},                           // DOMAIN_DEFINE_XML
	14:  {rest: "s"},                              // DOMAIN_GET_XML_DESC
	23:  {rest: domain},                           // DOMAIN_LOOKUP_BY_NAME
	24:  {rest: domain},                           // DOMAIN_LOOKUP_BY_UUID
	43:  {rest: "s"},                              // NETWORK_GET_XML_DESC
	45:  {rest: "s"},                              // NETWORK_GET_BRIDGE_NAME
	46:  {rest: network},                          // NETWORK_LOOKUP_BY_NAME
	66:  {each: "i"},                              // AUTH_LIST
	157: {rest: "h"},                              // CONNECT_GET_LIB_VERSION
	212: {rest: "ii"},                             // DOMAIN_GET_STATE
	273: {each: domain, rest: "i"},                // CONNECT_LIST_ALL_DOMAINS
	283: {each: network, rest: "i"},               // CONNECT_LIST_ALL_NETWORKS
	341: {each: "shi" + "??s" + "i??", rest: "i"}, // NETWORK_GET_DHCP_LEASES
}

// events are the shapes of events by procedure.
var events = map[uint32]shape{
	318: {rest: "i" + domain + "ii"}, // DOMAIN_EVENT_CALLBACK_LIFECYCLE
	333: {rest: "i" + domain + "s"},  // DOMAIN_EVENT_CALLBACK_DEVICE_REMOVED
	354: {rest: "i" + domain + "s"},  // DOMAIN_EVENT_CALLBACK_DEVICE_ADDED
	379: {rest: "i" + domain + "i?"}, // DOMAIN_EVENT_CALLBACK_METADATA_CHANGE
}

// failed is the beginning of an error: its code, domain and message.
var failed = shape{rest: "iiis"}

// statusError is VIR_NET_ERROR of src/rpc/virnetprotocol.x.
const statusError = 1

// fits reports whether the payload of a packet is long enough for what it says to
// hold.
func fits(header, payload []byte) bool {
	program, procedure := binary.BigEndian.Uint32(header), binary.BigEndian.Uint32(header[8:])
	if program == remoteProgram {
		if s, ok := events[procedure]; ok {
			return s.fits(payload)
		}
		if status := binary.BigEndian.Uint32(header[20:]); status == statusError {
			return failed.fits(payload)
		}
		if s, ok := replies[procedure]; ok {
			return s.fits(payload)
		}
	}
	return len(payload) <= 4
}

func (s shape) fits(payload []byte) bool {
	r := reader{payload, true}
	if s.each != "" {
		for count := r.number(); count > 0 && r.ok; count-- {
			r.fields(s.each)
		}
	}
	r.fields(s.rest)
	return r.ok
}

// reader skips fields as long as they fit.
type reader struct {
	left []byte
	ok   bool
}

func (r *reader) fields(list string) {
	for _, field := range list {
		switch field {
		case number:
			r.number()
		case hyper:
			r.skip(8)
		case uuid:
			r.skip(16)
		case text:
			r.text()
		case optional:
			if count := r.number(); count == 1 {
				r.text()
			} else if count > 1 {
				r.ok = false
			}
		}
	}
}

func (r *reader) number() uint32 {
	if len(r.left) < 4 {
		r.ok = false
	}
	if !r.ok {
		return 0
	}
	n := binary.BigEndian.Uint32(r.left)
	r.left = r.left[4:]
	return n
}

func (r *reader) text() { r.skip((uint64(r.number()) + 3) &^ 3) }

func (r *reader) skip(size uint64) {
	if size > uint64(len(r.left)) {
		r.ok = false
	}
	if r.ok {
		r.left = r.left[size:]
	}
}
