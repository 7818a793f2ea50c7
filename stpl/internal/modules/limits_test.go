package modules_test

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"time"

	"mdserver/stpl/internal/meter"
	"mdserver/stpl/internal/object"
)

// TestLimits runs what would take for ever, or all memory, in Python.
func TestLimits(t *testing.T) {
	limits := meter.Limits{Steps: 1_500_000, Memory: 16 << 20, Output: 1 << 20, Time: 30 * time.Second, Recursion: 500}
	matching := limits // a match counts no steps
	matching.Time = time.Second / 10
	tests := []struct {
		name string
		kind string // of the error
		code []string
	}{
		{"a pattern with nested loops", "TimeoutError", []string{"import re", "re.match('(a+)+$', 'a' * 60 + 'b')"}},
		{"alternatives that overlap", "TimeoutError", []string{"import re", "re.match('(a|aa)+$', 'a' * 100 + 'b')"}},
		{"a back-reference that is tried everywhere", "TimeoutError", []string{"import re", "re.search('(.*)(.*)(.*)\\\\1\\\\2x', 'ab' * 2000)"}},
		{"lookahead in a loop", "TimeoutError", []string{"import re", "re.search('((?=a*)a*)*b', 'a' * 3000)"}},
		{"many choices to remember", "MemoryError", []string{"import re", "re.match('(?:ab|b)*c', 'ab' * 3000000)"}},
		{"many patterns with choices to remember", "MemoryError", []string{"import re", "for i in range(500):", "    re.match('(?:ab|b{%d})*c' % (i + 1), 'ab' * 20000)", "1"}},
		{"a pattern of long alternatives", "error", []string{"import re", "re.compile('abcdefgh|' * 10000)"}},
		{"a pattern of large ranges in any case", "error", []string{"import re", "re.compile('(?i)[\\u0080-\\U0010ffff]')"}},
		{"counted repeats of counted repeats", "error", []string{"import re", "re.compile('((a{500}b){500}c){500}')"}},
		{"deep groups", "error", []string{"import re", "re.compile('(' * 5000 + ')' * 5000)"}},
		{"a replacement that doubles", "MemoryError", []string{"import re", "s = 'x' * 1000000", "re.sub('x', '\\\\g<0>' * 60, s)"}},
		{"large base64", "MemoryError", []string{"import base64", "b = b'x' * 30000000", "base64.b64encode(base64.b64encode(b))"}},
		{"a value that multiplies in JSON", "MemoryError", []string{"import json", "a = ['x' * 1000] * 1000", "a = [a] * 100", "len(json.dumps(a))"}},
		{"deep JSON", "RecursionError", []string{"import json", "json.loads('[' * 100000)"}},
		{"wide JSON", "MemoryError", []string{"import json", "len(json.loads('[' + '{},' * 1000000 + '{}]')) + len(json.loads('[' + '[],' * 3000000 + '[]]'))"}},
		{"errors of JSON that are kept", "MemoryError", []string{"import json", "a = []", "while True:", "    a.append(json.JSONDecodeError('a', 'b', 0))", "1"}},
		{"named tuples with a long name", "MemoryError", []string{"import collections", "s = 'x' * 1000000", "while True:", "    collections.namedtuple(s, 'a')", "1"}},
		{"indented without end", "MemoryError", []string{"import json", "json.dumps([1], indent=10 ** 9)"}},
		{"a derived key of many rounds", "TimeoutError", []string{"import hashlib", "hashlib.pbkdf2_hmac('sha512', b'x', b'y', 10 ** 9)"}},
		{"an indent of every line", "MemoryError", []string{"import textwrap", "textwrap.indent('x\\n' * 100000, ' ' * 1000)"}},
		{"a date after the last", "OverflowError", []string{"import datetime", "datetime.date.max + datetime.timedelta(1)"}},
		{"a span without bound", "OverflowError", []string{"import datetime", "datetime.timedelta(days=10 ** 100)"}},
		{"a span times infinity", "OverflowError", []string{"import datetime", "datetime.timedelta(1) * float('inf')"}},
		{"a format of a date that grows", "MemoryError", []string{"import datetime", "datetime.date.today().strftime('%c' * 3000000)"}},
		{"a huge sample", "MemoryError", []string{"import random", "random.sample(range(10 ** 9), 10 ** 8)"}},
		{"a huge random number", "OverflowError", []string{"import random", "random.getrandbits(10 ** 9)"}},
		{"all hosts of a large network", "MemoryError", []string{"import ipaddress", "list(ipaddress.ip_network('::/0').hosts())"}},
		{"all subnets of a large network", "MemoryError", []string{"import ipaddress", "list(ipaddress.ip_network('::/0').subnets(new_prefix=128))"}},
		{"a password hashed for ever", "TimeoutError", []string{"import crypt", "crypt.crypt('x', '$6$rounds=999999999$salt')"}},
		{"a path that doubles", "MemoryError", []string{"import os", "os.path.join(*['x' * 100000] * 2000)"}},
		{"a compressed bomb", "MemoryError", []string{"import zlib", "a = zlib.compress(b'x' * 30000000)", "zlib.decompress(a) + zlib.decompress(a)"}},
		{"a bomb in a bomb", "MemoryError", []string{"import gzip", "a = gzip.compress(gzip.compress(b'\\0' * 20000000))", "[gzip.decompress(gzip.decompress(a)) for i in range(9)]"}},
		{"checksums for ever", "TimeoutError", []string{"import zlib", "a = b'x' * 1000000", "while True:", "    zlib.crc32(a)", "1"}},
		{"a counter of counts without end", "MemoryError", []string{"import collections", "list(collections.Counter(a=10 ** 9).elements())"}},
		{"a defaultdict that makes itself", "RecursionError", []string{"import collections", "f = lambda: collections.defaultdict(f)['x']", "f()"}},
		{"a deque that moves all", "MemoryError", []string{"import collections", "d = collections.deque(range(100000))", "while True:", "    d.rotate(1)", "1"}},
		{"a huge structure", "error", []string{"import struct", "struct.pack('999999999s', b'')"}},
		{"many structures", "MemoryError", []string{"import struct", "struct.unpack('10000000b', b'x' * 10000000)"}},
		{"words without end", "MemoryError", []string{"import shlex", "shlex.split('a ' * 9000000)"}},
		{"wide text", "MemoryError", []string{"('x' * 9000000).encode('utf-32')"}},
		{"a bomb of YAML aliases", "TimeoutError", []string{"import yaml", "t = 'a0: &a0 [x]\\n' + ''.join(f'a{i}: &a{i} [' + ', '.join([f'*a{i-1}'] * 9) + ']\\n' for i in range(1, 12))", "str(yaml.safe_load(t))"}},
		{"a bomb of YAML merges", "MemoryError", []string{"import yaml", "t = 'a0: &a0 {x: 1}\\n' + ''.join(f'a{i}: &a{i} {{<<: [' + ', '.join([f'*a{i-1}'] * 9) + ']}\\n' for i in range(1, 12))", "yaml.safe_load(t)"}},
		{"deep YAML", "RecursionError", []string{"import yaml", "yaml.safe_load('[' * 5000 + ']' * 5000)"}},
		{"deeper YAML", "YAMLError", []string{"import yaml", "yaml.safe_load('[' * 100000)"}},
		{"YAML that merges itself", "RecursionError", []string{"import yaml", "yaml.safe_load('&a {<<: *a}')"}},
		{"large YAML", "YAMLError", []string{"import yaml", "yaml.safe_load('- x\\n' * 100000)"}},
		{"much YAML", "MemoryError", []string{"import yaml", "while True:", "    yaml.safe_load('- x\\n' * 50000)", "1"}},
		{"deep values as YAML", "RecursionError", []string{"import yaml", "a = []", "for i in range(1000):", "    a = [a]", "yaml.safe_dump(a)"}},
		{"wide values as YAML", "MemoryError", []string{"import yaml", "yaml.safe_dump([[1]] * 500000 + [1] * 500000)"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			limits := limits
			if tt.kind == "TimeoutError" && tt.code[0] == "import re" {
				limits = matching
			}
			_, err := evaluate(context.Background(), limits, tt.code...)
			runtime.ReadMemStats(&after)
			var e *object.Exception
			if !errors.As(err, &e) || e.KindName() != tt.kind {
				t.Errorf("got error %v, want a %s", err, tt.kind)
			}
			if used := after.TotalAlloc - before.TotalAlloc; used > 400<<20 {
				t.Errorf("%d bytes were allocated, garbage included", used)
			}
		})
	}
}
