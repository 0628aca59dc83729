package consultest

import (
	"net/http"
	"strconv"
	"time"

	"github.com/hashicorp/consul/api"
)

// Instance is one of a service's in the catalog.
type Instance struct {
	ID      string
	Address string
	Port    int
	Tags    []string
	Status  string // passing, if not said
}

// SetService makes these the instances of a service.
func (a *Agent) SetService(name string, instances ...Instance) {
	a.change(func() { a.catalog[name] = instances })
}

// SetKey sets a key.
func (a *Agent) SetKey(key, value string) {
	a.change(func() { a.keys[key] = value })
}

// DeleteKey deletes a key.
func (a *Agent) DeleteKey(key string) {
	a.change(func() { delete(a.keys, key) })
}

func (a *Agent) change(do func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	do()
	a.index++
	a.wake()
}

// Restore makes the catalog's index go back to 1, as in a cluster that was
// restored, where the service has these instances.
func (a *Agent) Restore(name string, instances ...Instance) {
	a.change(func() { a.catalog[name], a.index = instances, 0 })
}

func (a *Agent) catalogRoutes() {
	a.mux.HandleFunc("GET /v1/health/service/{name}", a.health)
	a.mux.HandleFunc("GET /v1/catalog/services", a.listServices)
	a.mux.HandleFunc("GET /v1/kv/{key...}", a.key)
}

// await blocks as a blocking query does, and sets the answer's index.
func (a *Agent) await(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	index, _ := strconv.ParseUint(query.Get("index"), 10, 64)
	wait, _ := time.ParseDuration(query.Get("wait"))
	if index == 0 {
		wait = 0
	}
	var now uint64
	a.block(r, wait, func() bool { now = a.index; return now != index })
	w.Header().Set("X-Consul-Index", strconv.FormatUint(now, 10))
}

func (a *Agent) health(w http.ResponseWriter, r *http.Request) {
	a.await(w, r)
	passing := r.URL.Query().Has("passing")
	name := r.PathValue("name")
	entries := []api.ServiceEntry{}
	a.mu.Lock()
	for _, i := range a.catalog[name] {
		if i.Status == "" {
			i.Status = api.HealthPassing
		}
		if passing && i.Status != api.HealthPassing {
			continue
		}
		entries = append(entries, api.ServiceEntry{
			Node:    &api.Node{Node: "node", Address: "192.0.2.1"},
			Service: &api.AgentService{ID: i.ID, Service: name, Address: i.Address, Port: i.Port, Tags: i.Tags},
			Checks:  api.HealthChecks{{CheckID: "service:" + i.ID, Status: i.Status}},
		})
	}
	a.mu.Unlock()
	answer(w, entries)
}

func (a *Agent) listServices(w http.ResponseWriter, r *http.Request) {
	a.await(w, r)
	services := map[string][]string{}
	a.mu.Lock()
	for name, instances := range a.catalog {
		for _, i := range instances {
			services[name] = append(services[name], i.Tags...)
		}
	}
	a.mu.Unlock()
	answer(w, services)
}

func (a *Agent) key(w http.ResponseWriter, r *http.Request) {
	a.await(w, r)
	key := r.PathValue("key")
	a.mu.Lock()
	value, has := a.keys[key]
	a.mu.Unlock()
	if !has {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	answer(w, api.KVPairs{{Key: key, Value: []byte(value)}})
}
