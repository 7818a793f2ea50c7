package binary

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"hash/crc32"
	"io"

	"mdserver/stpl/internal/modules/native"
	"mdserver/stpl/internal/object"
)

var zlibError = object.NewExceptionType("error", object.ExceptionType)

// badGzip is gzip.BadGzipFile.
var badGzip = object.NewExceptionType("BadGzipFile", object.OSError)

// Zlib makes the module zlib.
func Zlib() native.Members {
	m := native.Functions(
		object.NewBuiltin("compress", "data:bytes / level:int? wbits:int?", func(t *object.Thread, a []object.Value) (object.Value, error) {
			return compress(t, a[0], object.IntOr(a[1], -1), object.IntOr(a[2], 15))
		}),
		object.NewBuiltin("decompress", "data:bytes / wbits:int? bufsize?", func(t *object.Thread, a []object.Value) (object.Value, error) {
			return decompress(t, a[0], object.IntOr(a[1], 15))
		}),
		object.NewBuiltin("crc32", "data:bytes value:int? /", func(t *object.Thread, a []object.Value) (object.Value, error) {
			data := a[0].(object.Bytes)
			return object.Int(crc32.Update(uint32(object.IntOr(a[1], 0)), crc32.IEEETable, []byte(data))), t.Work(len(data))
		}),
		object.NewBuiltin("adler32", "data:bytes value:int? /", func(t *object.Thread, a []object.Value) (object.Value, error) {
			data := a[0].(object.Bytes)
			return object.Int(adler32Update(uint32(object.IntOr(a[1], 1)), data)), t.Work(len(data))
		}),
	)
	m["error"], m["MAX_WBITS"], m["DEFLATED"] = zlibError, object.Int(15), object.Int(8)
	m["Z_BEST_SPEED"], m["Z_BEST_COMPRESSION"], m["Z_DEFAULT_COMPRESSION"] = object.Int(1), object.Int(9), object.Int(-1)
	native.Refuse(m, "zlib", "use zlib.compress or zlib.decompress", "compressobj", "decompressobj")
	return m
}

// Gzip makes the module gzip.
func Gzip() native.Members {
	m := native.Functions(
		native.Func("compress", "data:bytes compresslevel:int? * mtime?", func(t *object.Thread, a []object.Value) (object.Value, error) {
			return compress(t, a[0], object.IntOr(a[1], 9), 31)
		}),
		native.Func("decompress", "data:bytes", func(t *object.Thread, a []object.Value) (object.Value, error) {
			if a[0] == object.Value(object.Bytes("")) {
				return a[0], nil
			}
			return decompress(t, a[0], 31)
		}),
	)
	m["BadGzipFile"] = badGzip
	native.Refuse(m, "gzip", "templates do not see the host's files", "open", "GzipFile")
	return m
}

// adler32Update goes on with a checksum, which package adler32 cannot.
func adler32Update(start uint32, data object.Bytes) uint32 {
	const mod = 65521
	a, b := start&0xffff, start>>16
	for i := range len(data) {
		a = (a + uint32(data[i])) % mod
		b = (b + a) % mod
	}
	return b<<16 | a
}

// deflateMemory is what a compressor or decompressor takes.
const deflateMemory = 1 << 20

// compress writes at level n the format that wbits names: zlib to 15, gzip from 25 to 31,
// neither header nor sum if negative. All have the largest window.
func compress(t *object.Thread, v object.Value, n, wbits int) (object.Value, error) {
	data := string(v.(object.Bytes))
	if n < -1 || n > 9 {
		return nil, object.Raise(zlibError, "Bad compression level")
	}
	if err := t.Charge(deflateMemory+3*len(data), 4*len(data)); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	var w io.WriteCloser
	var err error
	switch {
	case wbits >= 9 && wbits <= 15:
		w, err = zlib.NewWriterLevel(&out, n)
	case wbits >= 25 && wbits <= 31:
		w, err = gzip.NewWriterLevel(&out, n)
	case wbits <= -9 && wbits >= -15:
		w, err = flate.NewWriter(&out, n)
	default:
		return nil, object.Raise(object.ValueError, "Invalid initialization option")
	}
	if err == nil {
		_, err = io.WriteString(w, data)
	}
	if err == nil {
		err = w.Close()
	}
	return object.Bytes(out.String()), err
}

// decompress reads the format that wbits names. It charges for each piece
// before it reads on, so that a small text cannot grow without bound.
func decompress(t *object.Thread, v object.Value, wbits int) (object.Value, error) {
	data := string(v.(object.Bytes))
	if err := t.Charge(deflateMemory, len(data)); err != nil {
		return nil, err
	}
	source := bytes.NewReader([]byte(data))
	gz := wbits >= 25 && wbits <= 31 || wbits >= 40 && wbits <= 47 && len(data) > 1 && data[:2] == "\x1f\x8b"
	var r io.Reader
	var err error
	switch {
	case gz:
		r, err = gzip.NewReader(source)
	case wbits >= 40 && wbits <= 47 || wbits == 0 || wbits >= 8 && wbits <= 15:
		r, err = zlib.NewReader(source)
	case wbits <= -8 && wbits >= -15:
		r = flate.NewReader(source)
	default:
		return nil, object.Raise(object.ValueError, "Invalid initialization option")
	}
	if err != nil {
		return nil, decompressError(err, gz, data)
	}
	out := object.NewBuilder(t)
	piece := make([]byte, 16<<10)
	for {
		n, err := r.Read(piece)
		if n > 0 {
			if err := t.Work(n); err != nil {
				return nil, err
			}
			if err := out.Write(string(piece[:n])); err != nil {
				return nil, err
			}
		}
		switch {
		case err == io.EOF:
			return object.Bytes(out.String()), nil
		case err != nil:
			return nil, decompressError(err, gz, data)
		}
	}
}

func decompressError(err error, gz bool, data string) error {
	truncated := errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF)
	switch {
	case gz && (errors.Is(err, gzip.ErrHeader) || len(data) > 1 && data[:2] != "\x1f\x8b"):
		return object.Raise(badGzip, "Not a gzipped file (%s)", object.PlainRepr(object.Bytes(data[:min(2, len(data))])))
	case gz && truncated:
		return object.Raise(object.EOFError, "Compressed file ended before the end-of-stream marker was reached")
	case gz && errors.Is(err, gzip.ErrChecksum):
		return object.Raise(badGzip, "CRC check failed")
	case truncated:
		return object.Raise(zlibError, "Error -5 while decompressing data: incomplete or truncated stream")
	case errors.Is(err, zlib.ErrHeader):
		return object.Raise(zlibError, "Error -3 while decompressing data: incorrect header check")
	case errors.Is(err, zlib.ErrChecksum):
		return object.Raise(zlibError, "Error -3 while decompressing data: incorrect data check")
	}
	return object.Raise(zlibError, "Error -3 while decompressing data: %s", err)
}
