package codec

import "testing"

// The answers in this file are those of Python 3.11.

func TestEncode(t *testing.T) {
	for _, tt := range []struct{ name, errors, s, want, message string }{
		{"UTF-8", "strict", "aé€😀", "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", ""},
		{"utf_8_sig", "strict", "a", "\xef\xbb\xbfa", ""},
		{"ascii", "strict", "aé€b", "", "'ascii' codec can't encode characters in position 1-2: ordinal not in range(128)"},
		{"ascii", "strict", "aéb", "", "'ascii' codec can't encode character '\\xe9' in position 1: ordinal not in range(128)"},
		{"ascii", "ignore", "aéb", "ab", ""},
		{"ascii", "replace", "aéb", "a?b", ""},
		{"ascii", "xmlcharrefreplace", "a😀", "a&#128512;", ""},
		{"ascii", "backslashreplace", "é€😀", "\\xe9\\u20ac\\U0001f600", ""},
		{"latin-1", "strict", "é€", "", "'latin-1' codec can't encode character '\\u20ac' in position 1: ordinal not in range(256)"},
		{"L1", "strict", "é", "\xe9", ""},
		{"cp1252", "strict", "€", "\x80", ""},
		{"cp1252", "strict", "Ж", "", "'charmap' codec can't encode character '\\u0416' in position 0: character maps to <undefined>"},
		{"koi8-r", "strict", "Ж", "\xf6", ""},
		{"latin9", "strict", "€", "\xa4", ""},
		{"utf-16", "strict", "a😀", "\xff\xfea\x00=\xd8\x00\xde", ""},
		{"utf-16-be", "strict", "a😀", "\x00a\xd8=\xde\x00", ""},
		{"utf-32-le", "strict", "a😀", "a\x00\x00\x00\x00\xf6\x01\x00", ""},
		{"u32", "strict", "a", "\xff\xfe\x00\x00a\x00\x00\x00", ""},
		{"windows-1252", "strict", "é", "\xe9", ""},
		{"latin2", "strict", "ł", "\xb3", ""},
		{"iso-8859-5", "strict", "я", "\xef", ""},
		{"cp1252", "strict", "\u0080", "", "'charmap' codec can't encode character '\\x80' in position 0: character maps to <undefined>"},
		{"cp437", "strict", "é", "\x82", ""},
		{"u16", "strict", "a", "\xff\xfea\x00", ""},
		{"latin-1", "strict", "\u0081", "\x81", ""},
		{"ascii", "nonsense", "é", "", "unknown error handler name 'nonsense'"},
		{"nonsense", "strict", "a", "", "unknown encoding: nonsense"},
		{"iso-8859-15", "strict", "\u0085€", "\x85\xa4", ""},
		{"latin2", "strict", "\u009f", "\x9f", ""},
		{"cp437", "strict", "\u0085", "", "'charmap' codec can't encode character '\\x85' in position 0: character maps to <undefined>"},
	} {
		compare(t, tt.name, tt.errors, tt.s, tt.want, tt.message, Codec.Encode)
	}
}

func TestDecode(t *testing.T) {
	for _, tt := range []struct{ name, errors, b, want, message string }{
		{"utf-8", "strict", "a\xc3\xa9", "aé", ""},
		{"utf-8", "strict", "a\xff", "", "'utf-8' codec can't decode byte 0xff in position 1: invalid start byte"},
		{"utf-8", "strict", "\xe2\x82x", "", "'utf-8' codec can't decode bytes in position 0-1: invalid continuation byte"},
		{"utf-8", "strict", "\xe2\x82", "", "'utf-8' codec can't decode bytes in position 0-1: unexpected end of data"},
		{"utf-8", "replace", "\xf0\x9f\x98x\xff", "\ufffdx\ufffd", ""},
		{"utf-8", "ignore", "a\xffb", "ab", ""},
		{"utf-8", "backslashreplace", "a\xffb", "a\\xffb", ""},
		{"utf-8-sig", "strict", "\xef\xbb\xbfa", "a", ""},
		{"ascii", "strict", "a\xe9", "", "'ascii' codec can't decode byte 0xe9 in position 1: ordinal not in range(128)"},
		{"latin-1", "strict", "\xe9", "é", ""},
		{"iso-8859-15", "strict", "\x80\x85\x9f\xa4", "\u0080\u0085\u009f€", ""},
		{"iso-8859-7", "strict", "\x9f", "\u009f", ""},
		{"koi8-r", "strict", "\x9f", "÷", ""},
		{"cp1252", "strict", "\x80", "€", ""},
		{"cp1252", "strict", "\x81", "", "'charmap' codec can't decode byte 0x81 in position 0: character maps to <undefined>"},
		{"utf-16", "strict", "\xff\xfea\x00", "a", ""},
		{"utf-16", "strict", "\xfe\xff\x00a", "a", ""},
		{"utf-16", "strict", "a\x00b", "", "'utf-16-le' codec can't decode byte 0x62 in position 2: truncated data"},
		{"utf-16-le", "strict", "=\xd8\x00\xde", "😀", ""},
		{"utf-16-le", "strict", "\x00\xdc", "", "'utf-16-le' codec can't decode bytes in position 0-1: illegal encoding"},
		{"utf-16-le", "strict", "=\xd8", "", "'utf-16-le' codec can't decode bytes in position 0-1: unexpected end of data"},
		{"utf-16-le", "strict", "=\xd8a\x00", "", "'utf-16-le' codec can't decode bytes in position 0-1: illegal UTF-16 surrogate"},
		{"utf-32-be", "strict", "\x00\x00\x00a", "a", ""},
		{"utf-32-be", "strict", "\x00\x11\x00\x00", "", "'utf-32-be' codec can't decode bytes in position 0-3: code point not in range(0x110000)"},
		{"utf-32-be", "strict", "\x00\x00\xd8\x00", "", "'utf-32-be' codec can't decode bytes in position 0-3: code point in surrogate code point range(0xd800, 0xe000)"},
		{"utf-32-be", "backslashreplace", "\x00\x00\xd8\x00", "\\x00\\x00\\xd8\\x00", ""},
		{"utf-8", "strict", "\xc1\x80", "", "'utf-8' codec can't decode byte 0xc1 in position 0: invalid start byte"},
		{"utf-8", "strict", "\xf5\x80\x80\x80", "", "'utf-8' codec can't decode byte 0xf5 in position 0: invalid start byte"},
		{"utf-8", "strict", "\xc2", "", "'utf-8' codec can't decode byte 0xc2 in position 0: unexpected end of data"},
		{"utf-8", "strict", "\xf4\x90\x80\x80", "", "'utf-8' codec can't decode byte 0xf4 in position 0: invalid continuation byte"},
		{"utf-8", "strict", "\xed\xa0\x80", "", "'utf-8' codec can't decode byte 0xed in position 0: invalid continuation byte"},
		{"utf-8", "strict", "\xf0\x9f\x98", "", "'utf-8' codec can't decode bytes in position 0-2: unexpected end of data"},
		{"utf-16", "strict", "\xff\xfe\x00", "", "'utf-16-le' codec can't decode byte 0x00 in position 2: truncated data"},
		{"utf-16", "strict", "\xfe\xff\x00", "", "'utf-16-be' codec can't decode byte 0x00 in position 2: truncated data"},
		{"utf-32", "strict", "\x00\x00\xfe\xffa", "", "'utf-32-be' codec can't decode byte 0x61 in position 4: truncated data"},
		{"utf-32", "strict", "\x00\x00\x00", "", "'utf-32-le' codec can't decode bytes in position 0-2: truncated data"},
		{"utf-32-be", "strict", "\xff\xff\xff\xff", "", "'utf-32-be' codec can't decode bytes in position 0-3: code point not in range(0x110000)"},
		{"utf-32-be", "strict", "\x00\x10\xff\xff", "\U0010ffff", ""},
		{"utf-16", "strict", "", "", ""},
		{"utf-16", "strict", "a", "", "'utf-16-le' codec can't decode byte 0x61 in position 0: truncated data"},
		{"cp437", "strict", "\x85", "à", ""},
		{"cp1251", "strict", "\x98", "", "'charmap' codec can't decode byte 0x98 in position 0: character maps to <undefined>"},
		{"cp1252", "strict", "a\x81b", "", "'charmap' codec can't decode byte 0x81 in position 1: character maps to <undefined>"},
		{"ascii", "nonsense", "\xff", "", "unknown error handler name 'nonsense'"},
	} {
		compare(t, tt.name, tt.errors, tt.b, tt.want, tt.message, Codec.Decode)
	}
}

func compare(t *testing.T, name, errors, text, want, message string, method func(c Codec, text, errors string) (string, error)) {
	t.Helper()
	got, given := "", ""
	c, err := Find(name)
	if err == nil {
		got, err = method(c, text, errors)
	}
	if err != nil {
		given = err.Error()
	}
	if got != want || given != message {
		t.Errorf("%q in %s, %s: %q, error %q, want %q, error %q", text, name, errors, got, given, want, message)
	}
}

// What is encoded takes no more memory than Size says, and decodes to the same.
func FuzzCodecs(f *testing.F) {
	f.Add("aé€😀", "utf-16")
	f.Add("\ufeffß", "utf-8-sig")
	f.Add("Жж", "cp1251")
	f.Add("", "utf8-sig")
	f.Fuzz(func(t *testing.T, s, name string) {
		c, err := Find(name)
		if err != nil {
			return
		}
		for _, errors := range []string{"ignore", "replace", "backslashreplace", "strict"} {
			if _, err := c.Decode(s, errors); err != nil && errors != "strict" {
				t.Errorf("%q in %s, %s: %v", s, name, errors, err)
			}
		}
		s, _ = c.Decode(s, "ignore")
		b, err := c.Encode(s, "strict")
		if err != nil || len(b) > c.Size(len(s)) {
			t.Fatalf("%q in %s: %q (%v)", s, name, b, err)
		}
		if back, err := c.Decode(b, "strict"); err != nil || back != s {
			t.Errorf("%q in %s became %q (%v)", s, name, back, err)
		}
	})
}
