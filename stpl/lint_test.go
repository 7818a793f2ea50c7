package stpl

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestConstantsThatFail(t *testing.T) {
	opts := Options{Limits: Limits{Output: 1000}, LimitKeys: map[Limit]string{LimitOutput: "template_output"}}
	known := Names{"hostname": true}
	for source, want := range map[string]string{
		"{{(1).foo()}}":                              "t:1: AttributeError: 'int' object has no attribute 'foo'",
		"a\n{{[].push(1)}}":                          "t:2: AttributeError: 'list' object has no attribute 'push'",
		"{{[hostname].push(1)}}":                     "AttributeError: 'list' object has no attribute 'push'",
		"{{ {}.has_key('a') }}":                      "AttributeError: 'dict' object has no attribute 'has_key'",
		"{{ {hostname: 1}.iteritems() }}":            "AttributeError: 'dict' object has no attribute 'iteritems'",
		"{{(hostname, 1).append(2)}}":                "AttributeError: 'tuple' object has no attribute 'append'",
		"{{ {c for c in hostname}.push(1) }}":        "AttributeError: 'set' object has no attribute 'push'",
		"{{len(1)}}":                                 "t:1: TypeError: object of type 'int' has no len()",
		"{{'a'.join()}}":                             "TypeError",
		"{{f'{hostname}'.split(1, 2, 3)}}":           "TypeError: split() does not take these arguments",
		"{{'a' + 1}}":                                "TypeError",
		"{{1 / 0}}":                                  "ZeroDivisionError",
		"{{int('x')}}":                               "ValueError",
		"{{ {'a': 1}['b'] }}":                        "KeyError",
		"{{hostname + str('a' * -'b')}}":             "TypeError",
		"% import random\n{{random.choice()}}":       "t:2: TypeError: choice() does not take these arguments",
		"% import base64\n{{base64.b64encode('a')}}": "TypeError",
		"% import json\n{{json.loads('{')}}":         "JSONDecodeError",
		"% import yaml\n{{yaml.safe_load('[')}}":     "YAMLError",
		"% import yaml\n{{yaml.unsafe_load('a')}}":   "PermissionError: yaml.unsafe_load is not available in templates: templates load plain data only: use yaml.safe_load",
		"% import yaml\n{{yaml.load('a')}}":          "TypeError: load() missing 1 required positional argument: 'Loader'",
		"% x = len()\n":                              "t:1: TypeError",
		strings.Repeat("0123456789\n", 100):          "t:1: MemoryError: the output is longer than 1000 bytes (template_output)",
	} {
		errs := New(opts).Check("t", source, known)
		if len(errs) != 1 || !strings.Contains(errs[0].Error(), want) {
			t.Errorf("%.60q: %v, want %s", source, errs, want)
		}
	}
	for _, source := range []string{
		"{{[hostname].append(1)}} {{ {hostname: 1}.items() }} {{(hostname,).count(1)}} {{ {1}.union([2]) }} {{(1).real}}",
		"{{len([1])}} {{'a'.join(['b'])}} {{[].__class__}} {{7 // 2}} {{[1, 2][1]}}",
		"% try:\n{{1 / 0}}\n% except ZeroDivisionError:\nno\n% end\n",
		"% len = str\n{{len(1)}}", "% def int(a, b):\n% return a\n% end\n{{int(1, 2)}}",
		"% import yaml\n{{!yaml.safe_dump({'a': [hostname]}, default_flow_style=False, width=200)}}",
		"% import yaml\n% try:\n% a = yaml.load(hostname, Loader=yaml.SafeLoader)\n% except yaml.YAMLError:\n% a = 1\n% end\n{{a}}",
		"% import random\n{{1 / random.randint(0, 1)}}", "% import time\n{{time.time() - 1}}",
		"% if hostname == 'a':\n" + strings.Repeat("0123456789\n", 100) + "% end\n",
		strings.Repeat("0123456789", 99),
	} {
		if errs := New(opts).Check("t", source, known); len(errs) > 0 {
			t.Errorf("%.60q: %v", source, errs)
		}
	}
}

func TestWhatFailsInAnyCase(t *testing.T) {
	opts := Options{Roots: []string{filepath.Join(corpus, "views")}, RawHeader: "## raw"}
	known := Names{"hostname": true, "public_key_default": true}
	for source, want := range map[string]string{
		"## template: jinja\n{{v1.region}}\n":       "t:2: NameError: name 'v1' is not defined; a file for cloud-init's jinja has to begin with ## raw",
		"{{hostname.bit_count()}}":                  "t:1: AttributeError: no value in templates has the attribute 'bit_count'",
		"% for e in []:\n{{e.__cause__}}\n% end\n":  "t:2: AttributeError: no value in templates has the attribute '__cause__'",
		"{{publickey_default}}":                     "t:1: NameError: name 'publickey_default'",
		"% include('nosuch')\n":                     "t:1: TemplateError: Template 'nosuch' not found.",
		"% include nosuch\n":                        "TemplateError",
		"% rebase('nosuch')\n":                      "TemplateError",
		"{{hostname.encode('idna')}}":               "t:1: LookupError: unknown encoding: idna",
		"{{b'a'.decode('punycode')}}":               "t:1: LookupError: unknown encoding: punycode",
		"a\n{{len(bytearray(1))}}":                  "t:2: NameError: name 'bytearray' is not defined",
		"% import random\n{{random.gauss(1, 2)}}\n": "t:2: AttributeError: module 'random' has no attribute 'gauss'",
		"% import random as r\n{{r.gauss}}\n":       "AttributeError",
		"{{len()}}":                                 "t:1: TypeError: len()",
		"{{len('a', 'b')}}":                         "TypeError",
		"{{sorted()}}":                              "TypeError",
		"{{'a'.foo()}}":                             "t:1: AttributeError: 'str' object has no attribute 'foo'",
		"{{f'{hostname}'.foo()}}":                   "AttributeError",
	} {
		errs := New(opts).Check("t", source, known)
		if len(errs) != 1 || !strings.Contains(errs[0].Error(), want) {
			t.Errorf("%q: %v, want %s", source, errs, want)
		}
	}
	for _, source := range []string{
		"{{hostname}} {{public_key_default}}", "{{get('x', 1)}} {{x if defined('x') else ''}}", "% setdefault('x', 1)\n{{x}}", "% x = 1\n{{x}}",
		"% try:\n{{nosuch}}\n% except NameError:\nnone\n% end\n", "% for i, (a, *b) in []:\n{{i}}{{a}}{{b}}\n% end\n", "{{[y for y in 'ab']}} {{(lambda z: z)(1)}}",
		"% def f(a, *b, c=1, **d):\n{{a}}{{b}}{{c}}{{d}}\n% end\n{{f(1)}}", "% import random\n{{random.choice('a')}}", "% import os\n{{os.path.join('a')}}",
		"% random = {}\n% import random\n{{random.gauss}}", "% import random\n{{random.gauss(1) if hasattr(random, 'gauss') else ''}}",
		"{{len('a')}} {{len(*[1])}} {{sorted('ab', reverse=True)}} {{print('a', 'b', sep='')}} {{max(1, 2)}} {{dict(a=1)}} {{int()}}",
		"{{'a'.upper()}} {{'a'.join('b')}}", "{{base}}", "% try:\n% x = 1\n% except ValueError as e:\n{{e}}\n% end\n", "% if (n := 1):\n{{n}}\n% end\n",
		"% from math import *\n{{sqrt(4)}}", "{{hostname.encode('utf-16').decode(hostname)}} {{hostname.encode()}}", "% include('part' + hostname)\n",
	} {
		if errs := New(opts).Check("t", source, known); len(errs) > 0 {
			t.Errorf("%q: %v", source, errs)
		}
	}
}

// What runs in the corpus is not found fault with.
func TestNoFalseAlarms(t *testing.T) {
	paths, err := filepath.Glob(filepath.Join(corpus, "[0-9]*.tpl"))
	if err != nil || len(paths) < 30 {
		t.Fatalf("%d templates (%v)", len(paths), err)
	}
	engine := New(Options{Roots: []string{filepath.Join(corpus, "views")}})
	for _, path := range paths {
		known := Names{}
		base := strings.TrimSuffix(path, ".tpl")
		if _, fails := wantedError(t, base+".a.error"); fails {
			continue
		}
		for name := range corpusVars(t, base, "a") {
			known[name] = true
		}
		if errs := engine.Check(path, readFile(t, path), known); len(errs) > 0 {
			t.Errorf("%v", errs)
		}
	}
}

// Attributes that modules and classes have in Python, but not in templates, are
// found however they were imported.
func TestModuleAttributes(t *testing.T) {
	for source, want := range map[string]string{
		"% import textwrap\n{{textwrap.fill('a b', 1)}}\n":                  "textwrap.fill is not available in templates: guests wrap no text",
		"% from string import Template\n{{Template('$a')}}\n":               "Template",
		"% import string as s\n{{s.Template('$a')}}\n":                      "string.Template is not available in templates: this text is a template already",
		"% import math\n{{math.sin(1)}}\n":                                  "t:2: AttributeError: module 'math' has no attribute 'sin'",
		"% import os\n{{os.popen('id').read()}}\n":                          "t:2: AttributeError: module 'os' has no attribute 'popen' in templates: templates start no programs",
		"% import os\n{{os.listdir('/')}}\n":                                "templates do not see the host's files",
		"% import os as o\n{{o.walk('/')}}\n":                               "AttributeError",
		"% import os\n{{os.path.getsize('/')}}\n":                           "module 'posixpath' has no attribute 'getsize'",
		"% import os.path\n{{os.path.getsize('/')}}\n":                      "AttributeError",
		"% import os.path as p\n{{p.getsize('/')}}\n":                       "AttributeError",
		"% from os import path\n{{path.getsize('/')}}\n":                    "AttributeError",
		"% import time\n{{time.sleep(1)}}\n":                                "AttributeError",
		"% import datetime\n{{datetime.datetime.nosuch}}\n":                 "type object 'datetime' has no attribute 'nosuch'",
		"% from datetime import date as d\n{{d.nosuch()}}\n":                "type object 'date' has no attribute 'nosuch'",
		"% import urllib.parse\n{{urllib.request.urlopen('x')}}\n":          "AttributeError",
		"% import random\n% f = random.gauss\n":                             "AttributeError",
		"% from os import listdir\n":                                        "t:1: ImportError",
		"% import os, subprocess\n% import time\n{{time.sleep(1)}}\n":       "t:1: ModuleNotFoundError",
		"% def f():\n% import os\n{{os.stat('/')}}\n% end\n":                "AttributeError",
		"% import os\n{{[os.getpid() for x in 'a']}} {{lambda: os.path}}\n": "AttributeError",
	} {
		errs := New(Options{}).Check("t", source, nil)
		if len(errs) == 0 || !strings.Contains(errs[0].Error(), want) {
			t.Errorf("%q: %v, want %s", source, errs, want)
		}
	}
	for _, source := range []string{
		"% import os\n{{os.path.join('a', 'b')}} {{os.environ.get('x')}} {{os.sep}}\n",
		"% import os.path\n{{os.path.basename('a')}} {{os.getenv('x')}}\n",
		"% from os import path as p\n{{p.join('a', 'b')}}\n",
		"% import datetime\n{{datetime.datetime.now()}} {{datetime.date.today()}} {{datetime.datetime.min}} {{datetime.datetime.__name__}}\n",
		"% from datetime import datetime\n{{datetime.utcnow()}} {{datetime.strptime('1', '%d')}}\n",
		"% import urllib.parse\n{{urllib.parse.quote('a')}}\n",
		"% import os\n% import time as os\n{{os.popen}}\n",
		"% import os\n{{os.popen('id') if hasattr(os, 'popen') else ''}}\n",
		"% try:\n% import os\n{{os.popen('id')}}\n% except Exception:\nnone\n% end\n",
		"% os = {}\n% import os\n{{os.popen}}\n",
	} {
		if errs := New(Options{}).Check("t", source, nil); len(errs) > 0 {
			t.Errorf("%q: %v", source, errs)
		}
	}
}
