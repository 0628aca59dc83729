package consultest

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/consul/api"
)

// notePath begins the path by which others write themselves into the order of
// requests: a PUT to /note/TEXT is TEXT in Writes.
const notePath = "/note/"

const maintenance = "_service_maintenance:"

func (a *Agent) agentRoutes() {
	a.mux.HandleFunc("PUT /v1/agent/service/register", a.register)
	a.mux.HandleFunc("PUT /v1/agent/service/deregister/{id...}", a.deregister)
	a.mux.HandleFunc("PUT /v1/agent/service/maintenance/{id...}", a.maintain)
	a.mux.HandleFunc("PUT /v1/agent/check/deregister/{id...}", a.deregisterCheck)
	a.mux.HandleFunc("PUT /v1/agent/check/update/{id...}", a.update)
	a.mux.HandleFunc("GET /v1/agent/service/{id...}", a.service)
	a.mux.HandleFunc("GET /v1/agent/checks", a.listChecks)
	a.mux.HandleFunc("PUT "+notePath+"{text}", func(http.ResponseWriter, *http.Request) {})
}

// What says in a few words what a request tells the agent; "" if it only asks.
func (r Request) What() string {
	where, query, _ := strings.Cut(r.URI, "?")
	verb, last := path.Base(path.Dir(where)), path.Base(where)
	var body struct {
		ID, Status string
		Checks     []struct{ Status string }
	}
	_ = json.Unmarshal([]byte(r.Body), &body)
	switch {
	case r.Method == http.MethodGet:
		return ""
	case last == "register":
		text := "register " + body.ID
		for _, c := range body.Checks {
			text += " " + c.Status
		}
		return text
	case verb == "update":
		return "report " + last + " " + body.Status
	case verb == "maintenance" && strings.Contains(query, "enable=true"):
		return "maintain " + last
	case verb == "note":
		return last
	case strings.Contains(where, "/check/"):
		return "remove " + last
	}
	return verb + " " + last
}

func (a *Agent) register(w http.ResponseWriter, r *http.Request) {
	var wanted api.AgentServiceRegistration
	if err := json.NewDecoder(r.Body).Decode(&wanted); err != nil || wanted.Name == "" {
		http.Error(w, fmt.Sprintf("not a registration: %v", err), http.StatusBadRequest)
		return
	}
	service := &api.AgentService{
		ID: wanted.ID, Service: wanted.Name, Address: wanted.Address, Port: wanted.Port,
		Tags: wanted.Tags, Meta: wanted.Meta,
		TaggedAddresses: wanted.TaggedAddresses, EnableTagOverride: wanted.EnableTagOverride,
		Weights: api.AgentWeights{Passing: 1, Warning: 1},
	}
	if wanted.Weights != nil {
		service.Weights = *wanted.Weights
	}
	hash := fnv.New64a()
	fmt.Fprintf(hash, "%+v", *service)
	service.ContentHash = strconv.FormatUint(hash.Sum64(), 16)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.services[wanted.ID] = service
	for _, c := range wanted.Checks {
		check := &api.AgentCheck{
			CheckID: c.CheckID, Name: c.Name, Notes: c.Notes, Status: c.Status,
			ServiceID: wanted.ID, ServiceName: wanted.Name, Type: checkType(c),
		}
		if check.Status == "" {
			check.Status = api.HealthCritical
		}
		if known := a.checks[c.CheckID]; known != nil { // as the real one does
			check.Status, check.Output = known.Status, known.Output
		}
		a.checks[c.CheckID] = check
	}
	a.wake()
}

func checkType(c *api.AgentServiceCheck) string {
	switch {
	case c.TTL != "":
		return "ttl"
	case c.HTTP != "":
		return "http"
	case c.GRPC != "":
		return "grpc"
	case c.H2PING != "":
		return "h2ping"
	case c.AliasService != "":
		return "alias"
	case len(c.Args) > 0:
		return "script"
	}
	return "tcp"
}

func (a *Agent) deregister(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	_, has := a.services[r.PathValue("id")]
	a.mu.Unlock()
	if !has {
		http.Error(w, "Unknown service ID", http.StatusNotFound)
		return
	}
	a.Forget(r.PathValue("id"))
}

// Forget removes an instance and its checks, as a wiped agent does.
func (a *Agent) Forget(id string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.services, id)
	for checkID, c := range a.checks {
		if c.ServiceID == id {
			delete(a.checks, checkID)
		}
	}
	a.wake()
}

// ForgetCheck removes one check.
func (a *Agent) ForgetCheck(id string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.checks, id)
}

func (a *Agent) deregisterCheck(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	if a.Status(id) == "" {
		http.Error(w, "Unknown check ID", http.StatusNotFound)
		return
	}
	a.ForgetCheck(id)
}

func (a *Agent) maintain(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.services[id] == nil {
		http.Error(w, "Unknown service ID", http.StatusNotFound)
		return
	}
	if r.URL.Query().Get("enable") == "false" {
		delete(a.checks, maintenance+id)
		return
	}
	if a.checks[maintenance+id] != nil {
		return // the first reason stays
	}
	a.putIntoMaintenance(id, r.URL.Query().Get("reason"))
}

// Maintain puts an instance into maintenance, as an operator does.
func (a *Agent) Maintain(id, reason string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.putIntoMaintenance(id, reason)
}

func (a *Agent) putIntoMaintenance(id, reason string) {
	a.checks[maintenance+id] = &api.AgentCheck{
		CheckID: maintenance + id, Name: "Service Maintenance Mode", Notes: reason,
		Status: "critical", ServiceID: id, Type: "maintenance",
	}
}

func (a *Agent) update(w http.ResponseWriter, r *http.Request) {
	var report struct{ Status, Output string }
	if err := json.NewDecoder(r.Body).Decode(&report); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	c := a.checks[r.PathValue("id")]
	if c == nil {
		http.Error(w, "Unknown check ID", http.StatusNotFound)
		return
	}
	if c.Type != "ttl" {
		http.Error(w, "CheckID does not have associated TTL", http.StatusInternalServerError)
		return
	}
	c.Status, c.Output = report.Status, report.Output
}

func (a *Agent) service(w http.ResponseWriter, r *http.Request) {
	id, hash := r.PathValue("id"), r.URL.Query().Get("hash")
	wait, _ := time.ParseDuration(r.URL.Query().Get("wait"))
	if hash == "" {
		wait = 0
	}
	var found *api.AgentService
	a.block(r, wait, func() bool {
		found = a.services[id]
		return found == nil || found.ContentHash != hash
	})
	if found == nil {
		http.Error(w, "unknown service ID: "+id, http.StatusNotFound)
		return
	}
	w.Header().Set("X-Consul-ContentHash", found.ContentHash)
	answer(w, found)
}

func (a *Agent) listChecks(w http.ResponseWriter, r *http.Request) {
	id := ""
	if filter := r.URL.Query().Get("filter"); filter != "" {
		_, quoted, _ := strings.Cut(filter, "ServiceID == ")
		var err error
		if id, err = strconv.Unquote(quoted); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
	}
	answer(w, a.Checks(id))
}

// Checks returns the checks that the agent has of an instance; of all for "".
func (a *Agent) Checks(id string) map[string]api.AgentCheck {
	a.mu.Lock()
	defer a.mu.Unlock()
	checks := map[string]api.AgentCheck{}
	for checkID, c := range a.checks {
		if id == "" || c.ServiceID == id {
			checks[checkID] = *c
		}
	}
	return checks
}

// Has tells whether the agent has an instance.
func (a *Agent) Has(id string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.services[id] != nil
}

// Status returns the status of a check; "" if there is none.
func (a *Agent) Status(checkID string) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	if c := a.checks[checkID]; c != nil {
		return c.Status
	}
	return ""
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}
