//go:build e2e

package attacks

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"mdserver/test/lab"
)

// render has the server render a template for a guest that is not there.
func (a *arena) render(t *testing.T, template, metadata string) (string, error) {
	t.Helper()
	name := fmt.Sprintf("author-%d", a.guests.Add(1))
	if _, err := a.WriteFile("userdata/"+name+".yaml", template); err != nil {
		t.Fatal(err)
	}
	registered, err := a.admin.Register(suite.ctx, []byte(domain{name: name, mac: a.newMAC(), metadata: metadata}.XML()))
	if err != nil {
		return "", err
	}
	got, err := a.admin.Userdata(suite.ctx, registered.Instance.UUID.String())
	if _, err := a.admin.Release(suite.ctx, registered.Instance.UUID.String()); err != nil {
		t.Error(err)
	}
	return string(got), err
}

// fails checks that none of the templates renders.
func (a *arena) fails(t *testing.T, templates ...string) {
	t.Helper()
	for _, template := range templates {
		began := time.Now()
		got, err := a.render(t, template+"\n", "")
		if err == nil {
			t.Errorf("%.80q renders: %.120q", template, got)
		}
		if strings.Contains(got, "root:x:0") {
			t.Errorf("%.80q reads a file", template)
		}
		if took := time.Since(began); took > 20*time.Second {
			t.Errorf("%.80q took %s to fail", template, took)
		}
	}
}

// TestRenderRightfulTemplate is the control of tests by templates.
func TestRenderRightfulTemplate(t *testing.T) {
	requests(t, func(t *testing.T, a *arena) {
		if got, err := a.render(t, "{{6 * 7}} {{hostname}}\n", ""); err != nil || !strings.HasPrefix(got, "42 author-") {
			t.Errorf("%v %q", err, got)
		}
	})
}

func TestTemplateReadsFiles(t *testing.T) {
	requests(t, func(t *testing.T, a *arena) {
		a.fails(t, "{{open('/etc/passwd').read()}}", "% import io\n{{io.open('/etc/passwd').read()}}", "% import pathlib\n{{pathlib.Path('/etc/passwd').read_text()}}",
			"% import os\n{{os.listdir('/')}}", "% import linecache\n{{linecache.getlines('/etc/passwd')}}", "% import codecs\n{{codecs.open('/etc/passwd').read()}}",
			"{{__loader__.get_data('/etc/passwd')}}", "% import os.path\n{{os.open('/etc/passwd', 0)}}", "% from os import popen\n{{popen('id')}}", "{{input()}}")
	})
}

func TestTemplateIncludesFilesOutside(t *testing.T) {
	requests(t, func(t *testing.T, a *arena) {
		for _, name := range []string{"/etc/passwd", "../../../../../../etc/passwd", "views/../../../../../etc/passwd", "./../../../../../etc/passwd", "..\\\\..\\\\etc/passwd", "/proc/self/environ", "../mdserver.conf", "../state/identity.pem", "\\x00/etc/passwd", "file:///etc/passwd"} {
			a.fails(t, "% include('"+name+"')", "% rebase('"+name+"')", "{{!include('"+name+"')}}")
		}
	})
}

func TestTemplateStartsPrograms(t *testing.T) {
	requests(t, func(t *testing.T, a *arena) {
		a.fails(t, "% import os\n{{os.system('id')}}", "% import subprocess\n{{subprocess.check_output('id')}}", "{{__import__('os').system('id')}}", "% import pty\n{{pty.spawn('sh')}}",
			"{{eval('__import__(\"os\")')}}", "{{exec('import os')}}", "{{compile('1', 'x', 'eval')}}", "% import ctypes\n{{ctypes.CDLL(None)}}", "% import importlib\n{{importlib.import_module('os')}}", "% import sys\n{{sys.modules['os']}}")
	})
}

func TestTemplateReachesNetwork(t *testing.T) {
	requests(t, func(t *testing.T, a *arena) {
		a.fails(t, "% import socket\n{{socket.socket()}}", "% import urllib.request\n{{urllib.request.urlopen('http://169.254.169.254/')}}", "% import http.client\n{{http.client}}", "% from urllib import request\n{{request}}")
	})
}

func TestTemplateClimbsToInternals(t *testing.T) {
	requests(t, func(t *testing.T, a *arena) {
		a.fails(t, "{{''.__class__.__mro__}}", "{{().__class__.__base__.__subclasses__()}}", "{{(lambda: 0).__globals__}}", "{{get.__self__}}", "{{include.__globals__}}", "{{getattr('', '__class__').__subclasses__()}}",
			"{{'{0.__class__.__mro__}'.format(1)}}", "{{'{a.__init__.__globals__}'.format(a=get)}}", "{{'{0[__class__]}'.format(get)}}", "% import json\n{{json.__builtins__}}", "% import json\n{{json.codecs}}", "{{type('x', (), {})}}",
			"% try:\n% 1/0\n% except Exception as e:\n{{e.__traceback__.tb_frame}}\n% end", "% def f(): pass\n% end\n{{f.__code__}}", "{{instance.__dict__}}", "{{__builtins__}}")
	})
}

func TestTemplateNeverEnds(t *testing.T) {
	requests(t, func(t *testing.T, a *arena) {
		a.fails(t, "% while True:\n% pass\n% end", "% for i in range(10**18):\n% pass\n% end", "% l = [1]\n% for i in l:\n% l.append(i)\n% end", "% def f(): return f()\n{{f()}}", "% def f(): f()\n% end\n% f()",
			"% import time\n% time.sleep(3600)", "{{sum(range(10**18))}}", "{{max(range(10**15))}}", "{{10**18 in (x for x in range(10**18))}}", "% import itertools\n{{list(itertools.count())}}",
			"% import itertools\n{{sum(1 for _ in itertools.product(range(1000), repeat=9))}}", "{{sorted(range(10**9))}}", "% import re\n{{re.match('(a+)+$', 'a' * 200000 + 'b') or 1 // 0}}")
	})
}

func TestTemplateEatsMemory(t *testing.T) {
	alone(t, nil, func(t *testing.T, a *arena) {
		a.fails(t, "{{'a' * 10**10}}", "{{[0] * 10**10}}", "{{2 ** (10 ** 9)}}", "{{10 ** 10 ** 8}}", "{{1 << 10**10}}", "{{'%1000000000d' % 1}}", "{{'{:>1000000000}'.format(1)}}", "{{'x'.ljust(10**9)}}", "{{f'{1:1000000000}'}}",
			"{{'a'.replace('a', 'b' * 10**6) * 10**5}}", "% s = 'a'\n% while True:\n% s += s\n% end", "% l = []\n% while True:\n% l.append('x' * 1000)\n% end", "% l = []\n% while True:\n% l = [l, l]\n% end\n{{l}}",
			"% import json\n{{json.dumps('\\\\' * 10**9)}}", "{{bytes(10**10)}}", "{{bytearray(10**10)}}", "{{(b'a' * 10**8).hex()}}", "{{'\\t'.expandtabs(10**9)}}", "% import math\n{{math.factorial(10**7)}}", "{{list(range(10**9))}}",
			"% d = {}\n% for i in range(10**9):\n% d[i] = i\n% end", "% import textwrap\n{{textwrap.indent('x\\n' * 10**6, ' ' * 1000)}}", "{{', '.join(['x' * 1000] * 10**8)}}", "{{'a' * 10**6}}"+strings.Repeat("{{'a' * 10**6}}", 200))
		if mib := a.memory(t); mib > 1024 {
			t.Errorf("the server has used %d MiB", mib)
		}
		a.served(t)
	})
}

func TestTemplateRecurses(t *testing.T) {
	requests(t, func(t *testing.T, a *arena) {
		if _, err := a.WriteFile("userdata/self.yaml", "% include('self.yaml')\n"); err != nil {
			t.Fatal(err)
		}
		if _, err := a.WriteFile("userdata/mutual.yaml", "% include('mutual2.yaml')\n"); err != nil {
			t.Fatal(err)
		}
		if _, err := a.WriteFile("userdata/mutual2.yaml", "% rebase('mutual.yaml')\n"); err != nil {
			t.Fatal(err)
		}
		a.fails(t, "% include('self.yaml')", "% include('mutual.yaml')", "% rebase('self.yaml')", "{{"+strings.Repeat("(", 100_000)+"}}", "{{"+strings.Repeat("[", 20_000)+strings.Repeat("]", 20_000)+"}}",
			"{{"+strings.Repeat("-", 100_000)+"1}}", "{{"+strings.Repeat("(lambda: ", 10_000)+"1"+strings.Repeat(")", 10_000)+"}}", strings.Repeat("% if True:\n", 20_000)+"x", "% l = []\n% l.append(l)\n{{l == l[0] and 1 // 0}}")
	})
}

// Names of arguments were compared each with each, and the text was read up to
// its line for each error.
func TestTemplateCompilesForever(t *testing.T) {
	requests(t, func(t *testing.T, a *arena) {
		for name, item := range map[string]string{"dict(%s)": "a%d=1", "{%s}": "'a%d': 1", "[%s]": "a%d", "f(%s)": "*[%d]"} {
			var items []string
			for i := range 50_000 {
				items = append(items, fmt.Sprintf(item, i))
			}
			a.quick(t, name, "{{"+fmt.Sprintf(name, strings.Join(items, ", "))+"}}")
		}
		var params []string
		for i := range 50_000 {
			params = append(params, fmt.Sprintf("a%d", i))
		}
		a.quick(t, "def", "% def f("+strings.Join(params, ", ")+"): pass\n")
		a.quick(t, "global", "% x = 1\n"+strings.Repeat("% global x\n", 50_000))
		a.quick(t, "refusals", strings.Repeat("% x = 1j\n", 50_000))
		a.quick(t, "elif", "% if 0:\nx\n"+strings.Repeat("% elif 0:\nx\n", 50_000)+"% end\n")
		a.quick(t, "f-string", "{{f'"+strings.Repeat("{1}", 50_000)+"'}}")
		a.quick(t, "chain", "{{"+strings.Repeat("1 < ", 50_000)+"1}}")
		a.quick(t, "attributes", "{{hostname"+strings.Repeat(".x", 50_000)+"}}")
		a.quick(t, "names", strings.Join(params, " = ")+" = 1")
	})
}

// quick checks that an answer, whichever it is, comes soon.
func (a *arena) quick(t *testing.T, what, template string) {
	t.Helper()
	began := time.Now()
	_, _ = a.render(t, template, "")
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("%s: it took %s", what, took)
	}
}

// One operation that does as much as many is counted as many.
func TestTemplateHidesWorkInOneOperation(t *testing.T) {
	requests(t, func(t *testing.T, a *arena) {
		const d = "% d = {('a%d' % i): i for i in range(100000)}\n"
		for what, code := range map[string]string{
			"keywords":     d + "% def f(**k): return len(k)\n% end\n% for i in range(1000):\n% f(**d)\n% end",
			"format":       d + "% for i in range(1000):\n% '{}'.format(1, **d)\n% end",
			"copy":         d + "% import copy\n% for i in range(1000):\n% copy.deepcopy(d)\n% end",
			"sort":         d + "% for i in range(1000):\n% sorted(d)\n% end",
			"join":         d + "% for i in range(1000):\n% ''.join(d)\n% end",
			"compare":      d + "% e = dict(d)\n% for i in range(1000):\n% d == e\n% end",
			"search":       "% s = 'a' * 500000\n% for i in range(1000):\n% s.find('a' * 1000 + 'b')\n% end",
			"count":        "% s = 'ab' * 500000\n% for i in range(3000):\n% s.count('ba')\n% end",
			"hash":         "% import hashlib\n% s = b'a' * 1000000\n% for i in range(2000):\n% hashlib.sha512(s).hexdigest()\n% end",
			"key":          "% import hashlib\n% hashlib.pbkdf2_hmac('sha512', b'a', b'b', 10**9)",
			"crypt":        "% import crypt\n% for i in range(100):\n% crypt.crypt('a' * 1000, '$6$rounds=999999999$salt')\n% end",
			"divide":       "% x = 10 ** 100000\n% for i in range(10000):\n% x // 3 * x % 7\n% end",
			"print number": "% x = 7 ** 200000\n% for i in range(100):\n% str(x)\n% end",
			"in":           "% l = list(range(500000))\n% for i in range(5000):\n% -1 in l\n% end",
			"regex":        "% import re\n% for i in range(1000):\n% re.findall('(a|b|ab)*c', 'ab' * 50000)\n% end",
			"slices":       "% l = list(range(500000))\n% for i in range(5000):\n% l[::-1]\n% end",
		} {
			a.quick(t, what, code)
		}
		a.served(t)
	})
}

func TestParseHostileJSON(t *testing.T) {
	requests(t, func(t *testing.T, a *arena) {
		a.fails(t, "% import json\n{{json.loads('[' * 1000000)}}", "% import json\n{{json.loads('{\"a\":' * 100000)}}", "% import json\n{{json.loads('1' * 1000000 + 'x')}}")
	})
}

// memory is the most memory that the server has had, in MiB. Source: proc(5).
func (s *site) memory(t *testing.T) int {
	t.Helper()
	out, err := s.Host.Output(suite.ctx, "grep", "VmHWM", fmt.Sprintf("/proc/%d/status", s.pid(t)))
	if err != nil {
		t.Fatal(err)
	}
	var kib int
	if _, err := fmt.Sscanf(out, "VmHWM: %d kB", &kib); err != nil {
		t.Fatal(err)
	}
	return kib >> 10
}

func (s *site) pid(t *testing.T) int {
	t.Helper()
	status, err := s.admin.Status(suite.ctx)
	if err != nil {
		t.Fatal(err)
	}
	return status.PID
}

func TestRenderFailingTemplateAtOnce(t *testing.T) {
	alone(t, nil, func(t *testing.T, a *arena) {
		hog := a.guest(t, form{template: "% l = []\n% while True:\n% l.append('x' * 1000)\n% end\n"})
		var asking sync.WaitGroup
		for range 90 {
			asking.Go(func() { _, _ = ask(hog, byIPv4, get(byIPv4, "/latest/user-data")) })
		}
		for range 20 {
			began := time.Now()
			if err := a.victim.reads(byIPv4); err != nil {
				t.Error("the victim during the renders:", err)
			}
			if took := time.Since(began); took > 3*time.Second {
				t.Errorf("the victim waited for %s", took)
			}
		}
		asking.Wait()
		if mib := a.memory(t); mib > 400 {
			t.Errorf("the server has used %d MiB", mib)
		}
	})
}

func TestNamePartManyTimes(t *testing.T) {
	alone(t, func(l *lab.Lab, _ lab.Config) {
		_, _ = l.WriteFile("userdata/big.raw", "#!/bin/sh\n"+strings.Repeat("#", 1<<20))
	}, func(t *testing.T, a *arena) {
		parts := strings.Repeat("big.raw,", 400) + "big.raw"
		var asking sync.WaitGroup
		for range 3 {
			asking.Go(func() {
				if got, err := a.render(t, "x", "<m:userdata_parts>"+parts+"</m:userdata_parts>"); err == nil && len(got) > 64<<20 {
					t.Errorf("the server makes %d bytes", len(got))
				}
			})
		}
		asking.Wait()
		if mib := a.memory(t); mib > 500 {
			t.Errorf("the server has used %d MiB", mib)
		}
		a.served(t)
	})
}

// Files outside of the directory of user-data, named by a domain's metadata or
// by its own name.
func TestTraverseByUserdataPrefix(t *testing.T) {
	requests(t, func(t *testing.T, a *arena) {
		for _, name := range outside {
			a.namesFile(t, name, "<m:userdata_prefix>"+name+"</m:userdata_prefix>")
		}
	})
}

func TestTraverseByUserdataParts(t *testing.T) {
	requests(t, func(t *testing.T, a *arena) {
		for _, name := range outside {
			a.namesFile(t, name, "<m:userdata_parts>base,"+name+"</m:userdata_parts>")
		}
	})
}

var outside = []string{"../../../../../../etc/passwd", "/etc/passwd", "x/../../../../../../../etc/passwd", "./../mdserver.conf", "../state/identity.pem", "..", ".", "/", "/dev/zero", "/proc/self/environ", "../../../../../../proc/self/fd/0", "views/../../run/mdserver.sock"}

func (a *arena) namesFile(t *testing.T, name, metadata string) {
	t.Helper()
	got, err := a.render(t, "x", metadata)
	if err == nil && (strings.Contains(got, "root:x:0") || strings.Contains(got, "PRIVATE KEY") || strings.Contains(got, "[mdserver]") || len(got) > 1<<16) {
		t.Errorf("%s leads out of the directory: %.200q", name, got)
	}
}

func TestTraverseByNameOfDomain(t *testing.T) {
	requests(t, func(t *testing.T, a *arena) {
		for _, name := range []string{"../mdserver.conf", "../../../../etc/passwd", "..", "../state/identity.pem", "x/../../mdserver.conf"} {
			registered, err := a.admin.Register(suite.ctx, []byte(domain{name: name, mac: a.newMAC()}.XML()))
			if err != nil {
				continue // refused: libvirt has no such names
			}
			got, _ := a.admin.Userdata(suite.ctx, registered.Instance.UUID.String())
			if strings.Contains(string(got), "root:x:0") || strings.Contains(string(got), "[mdserver]") || strings.Contains(string(got), "PRIVATE KEY") {
				t.Errorf("%s leads out of the directory: %.200q", name, got)
			}
			if _, err := a.admin.Release(suite.ctx, registered.Instance.UUID.String()); err != nil {
				t.Error(err)
			}
		}
	})
}
