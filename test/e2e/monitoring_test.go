//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"mdserver/test/docs"
	"mdserver/test/lab"
)

const monitoringDir = "../../packaging/monitoring"

// promtool accepts the metrics of a server that has been used, and the alerts.
func TestPromtool(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	s := startServer(t, l, l.Config())
	guest, _ := boot(t, l, register(t, s, "web1"))
	get(t, guest, "/latest/user-data")
	check := l.Host.Command(suite.ctx, "promtool", "check", "metrics")
	check.Stdin = strings.NewReader(command(t, s, "metrics"))
	if out, err := check.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("promtool check metrics: %v\n%s", err, out)
	}
	if out, err := l.Host.Output(suite.ctx, "promtool", "check", "rules", filepath.Join(monitoringDir, "prometheus-rules.yml")); err != nil {
		t.Errorf("promtool check rules: %v\n%s", err, out)
	}
}

// Each alert fires when it should, and none when nothing is wrong.
func TestAlerts(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, file := range []string{monitoringDir + "/prometheus-rules.yml", testdata + "/monitoring/rules_test.yml"} {
		copyFile(t, file, filepath.Join(dir, filepath.Base(file)))
	}
	check := exec.CommandContext(suite.ctx, "promtool", "test", "rules", "rules_test.yml")
	check.Dir = dir
	if out, err := check.CombinedOutput(); err != nil {
		t.Errorf("promtool test rules: %v\n%s", err, out)
	}
}

// prometheus is Debian's Prometheus in the host's namespace.
type prometheus struct {
	t   *testing.T
	lab *lab.Lab
}

const prometheusAddr = "127.0.0.1:9090"

// startPrometheus runs it with the configuration that the documentation shows,
// but looks more often.
func startPrometheus(t *testing.T, l *lab.Lab) prometheus {
	t.Helper()
	rules, err := filepath.Abs(filepath.Join(monitoringDir, "prometheus-rules.yml"))
	if err != nil {
		t.Fatal(err)
	}
	config := documentedConfig(t)
	config["global"] = map[string]any{"scrape_interval": "1s", "evaluation_interval": "1s"}
	config["rule_files"] = []any{rules}
	for _, job := range config["scrape_configs"].([]any) {
		if discovery, ok := job.(map[string]any)["http_sd_configs"].([]any); ok {
			discovery[0].(map[string]any)["refresh_interval"] = "1s"
		}
	}
	text, err := yaml.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	file, err := l.WriteFile("prometheus.yml", string(text))
	if err != nil {
		t.Fatal(err)
	}
	if out, err := l.Host.Output(suite.ctx, "promtool", "check", "config", file); err != nil {
		t.Fatalf("promtool check config: %v\n%s", err, out)
	}
	if _, err := l.Host.Start("prometheus", nil, "prometheus", "--config.file="+file,
		"--storage.tsdb.path="+l.Path("tsdb"), "--web.listen-address="+prometheusAddr); err != nil {
		t.Fatal(err)
	}
	return prometheus{t, l}
}

// documentedConfig joins the blocks of docs/howto/monitoring.md.
func documentedConfig(t *testing.T) map[string]any {
	t.Helper()
	pages, err := docs.Read("../..")
	if err != nil {
		t.Fatal(err)
	}
	config := map[string]any{}
	var jobs []any
	for _, page := range pages {
		if page.Path != "docs/howto/monitoring.md" {
			continue
		}
		for _, block := range page.Blocks("yaml") {
			if err := yaml.Unmarshal([]byte(block.Text), &config); err != nil {
				t.Fatalf("%s:%d: %v", block.Path, block.Line, err)
			}
			if more, ok := config["scrape_configs"].([]any); ok {
				jobs = append(jobs, more...)
				delete(config, "scrape_configs")
			}
		}
	}
	if len(jobs) != 2 || config["rule_files"] == nil {
		t.Fatalf("docs/howto/monitoring.md shows %d jobs", len(jobs))
	}
	config["scrape_configs"] = jobs
	return config
}

// has waits until a query has this value, or with the empty value no result.
func (p prometheus) has(query, want string) {
	p.t.Helper()
	eventually(p.t, query, func(ctx context.Context) error {
		got, err := p.ask(ctx, query)
		if err == nil && got != want {
			err = fmt.Errorf("it is %q, want %q", got, want)
		}
		return err
	})
}

// ask returns the value of the only result of a query.
func (p prometheus) ask(ctx context.Context, query string) (string, error) {
	switch results, err := p.results(ctx, query); {
	case err != nil || len(results) == 0:
		return "", err
	case len(results) > 1:
		return "", fmt.Errorf("there are %d results", len(results))
	default:
		return results[0], nil
	}
}

// results returns the values of the results of a query.
func (p prometheus) results(ctx context.Context, query string) ([]string, error) {
	address := "http://" + prometheusAddr + "/api/v1/query?" + url.Values{"query": {query}}.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	resp, err := p.lab.Host.HTTPClient(netip.Addr{}).Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	var answer struct {
		Error string
		Data  struct {
			Result []struct{ Value [2]any }
		}
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return nil, err
	}
	if answer.Error != "" {
		return nil, errors.New(answer.Error)
	}
	var values []string
	for _, result := range answer.Data.Result {
		values = append(values, fmt.Sprint(result.Value[1]))
	}
	return values, nil
}

// understands has Prometheus evaluate an expression, and checks that it has scraped each
// metric in it that a server without etcd has.
func (p prometheus) understands(expression string) {
	p.t.Helper()
	if _, err := p.results(suite.ctx, expression); err != nil {
		p.t.Errorf("%s: %v", expression, err)
	}
	metrics := metricName.FindAllString(labels.ReplaceAllString(expression, ""), -1)
	if len(metrics) == 0 {
		p.t.Errorf("%s has no metric", expression)
	}
	for _, metric := range metrics {
		if strings.HasPrefix(metric, "mdserver_store_") { // a server with etcd has them
			contains(p.t, "the metrics", readFile(p.t, "../../internal/metrics/testdata/metrics.golden"), "\n"+metric)
			continue
		}
		if found, err := p.results(suite.ctx, fmt.Sprintf("count({__name__=%q})", metric)); err != nil || len(found) == 0 {
			p.t.Errorf("%s: there is no metric %s, %v", expression, metric, err)
		}
	}
}

var (
	metricName = regexp.MustCompile(`\b(up|(mdserver|process|go)_[a-z_]+)\b`)
	labels     = regexp.MustCompile(`\{[^}]*\}|\bby \([^)]*\)`)
)

// dashboardExpressions are those of the dashboard, with values for its variables.
func dashboardExpressions(t *testing.T) (list []string) {
	t.Helper()
	var dashboard struct {
		Panels []struct{ Targets []struct{ Expr string } }
	}
	decode(t, readFile(t, filepath.Join(monitoringDir, "grafana-dashboard.json")), &dashboard)
	for _, panel := range dashboard.Panels {
		for _, target := range panel.Targets {
			list = append(list, strings.NewReplacer("$instance", ".*", "$__rate_interval", "1m").Replace(target.Expr))
		}
	}
	return list
}

// alertExpressions are those of the alerts.
func alertExpressions(t *testing.T) (list []string) {
	t.Helper()
	var rules struct {
		Groups []struct{ Rules []struct{ Expr string } }
	}
	if err := yaml.Unmarshal([]byte(readFile(t, filepath.Join(monitoringDir, "prometheus-rules.yml"))), &rules); err != nil {
		t.Fatal(err)
	}
	for _, group := range rules.Groups {
		for _, rule := range group.Rules {
			list = append(list, rule.Expr)
		}
	}
	return list
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// sendForged sends a packet from an address that is not the guest's. There is no answer.
func sendForged(t *testing.T, g *lab.Guest) {
	t.Helper()
	const other = "10.122.255.254"
	if err := g.IP(suite.ctx, "address", "add", other+"/16", "dev", "eth0"); err != nil {
		t.Fatal(err)
	}
	if out, err := g.Output(suite.ctx, "ping", "-c1", "-W1", "-I", other, "10.122.0.1"); err == nil {
		t.Errorf("a forged packet is answered: %s", out)
	}
	if err := g.IP(suite.ctx, "address", "delete", other+"/16", "dev", "eth0"); err != nil {
		t.Fatal(err)
	}
}

// exportNode answers as a node exporter in a guest until the test ends.
func exportNode(t *testing.T, g *lab.Guest) {
	t.Helper()
	var l net.Listener
	err := g.Do(func() (err error) {
		l, err = net.Listen("tcp", ":9100")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{ReadHeaderTimeout: time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "node_load1 0.25\n")
	})}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(l)
	}()
	t.Cleanup(func() {
		_ = server.Close()
		<-done
	})
}

// Prometheus scrapes the server and its guests as the documentation shows, and
// alerts.
func TestPrometheus(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	s := startServer(t, l, l.Config())
	runHook(t, l, "web1")
	web1, _ := boot(t, l, show(t, s, "web1"))
	get(t, web1, "/latest/user-data")
	exportNode(t, web1)
	config := l.Config()
	configure := func(section, key, value string) {
		config = config.Set(section, key, value)
		if _, err := l.WriteFile("mdserver.conf", config.String()); err != nil {
			t.Fatal(err)
		}
		contains(t, "the reload", command(t, s, "reload"), section+"."+key)
	}
	configure("metrics", "listen", "127.0.0.1:9810")

	p := startPrometheus(t, l)
	p.has(`up{job="mdserver"}`, "1")
	p.has(`mdserver_network_guests{network="mds"}`, "1")
	p.has(`mdserver_health{part="database",state="ok"}`, "1")
	p.has(`mdserver_dhcp_messages_total{network="mds",message="DHCPACK"}`, "1")
	p.has(`up{job="guests",guest="web1"}`, "1")
	p.has(`node_load1{guest="web1"}`, "0.25")
	p.has(`count(ALERTS)`, "")

	t.Run("a guest comes and goes", func(t *testing.T) {
		register(t, s, "web2") // it does not answer
		p.has(`up{job="guests",guest="web2"}`, "0")
		command(t, s, "instance", "rm", "web2")
		p.has(`up{job="guests",guest="web2"}`, "")
	})
	t.Run("user-data fails", func(t *testing.T) {
		if _, err := l.WriteFile("userdata/web1", "#cloud-config\n{{ nothing }}\n"); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the failure", func(ctx context.Context) error {
			_, err := web1.Output(ctx, "curl", "--fail", "--silent", "http://"+lab.MetadataAddr+"/latest/user-data")
			if err == nil {
				return fmt.Errorf("the user-data is served")
			}
			return nil
		})
		p.has(`ALERTS{alertname="MdserverUserdataFails",document="user-data",alertstate="firing"}`, "1")
		p.has(`ALERTS{alertname="MdserverErrors",frontend="ec2",alertstate="firing"}`, "1")
	})
	t.Run("the dashboard and the alerts", func(t *testing.T) {
		p := prometheus{t, l}
		uploadXML(t, s, liveXML(t, "web1", web1.Port(), ""))
		configure("dnsmasq", "port_security", "yes")
		sendForged(t, web1) // the dashboard shows what is dropped
		p.has(`count(mdserver_port_security_dropped_frames_total) > bool 0`, "1")
		dashboard, alerts := dashboardExpressions(t), alertExpressions(t)
		if len(dashboard) < 20 || len(alerts) < 10 {
			t.Errorf("%d expressions in the dashboard, %d alerts", len(dashboard), len(alerts))
		}
		for _, expression := range append(dashboard, alerts...) {
			p.understands(expression)
		}
	})
	t.Run("the server stops", func(t *testing.T) {
		if err := s.Stop(10 * time.Second); err != nil {
			t.Fatal(err)
		}
		p.has(`up{job="mdserver"}`, "0")
		p.has(`ALERTS{alertname="MdserverDown",alertstate="pending"}`, "1")
	})
}
