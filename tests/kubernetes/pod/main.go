// What runs in the pods of a real node: the process that holds a pod's namespaces (`pod pause`), and a small web server
// (`pod serve :8080`). One static program, so that an image is this file and nothing else; node.py packs it.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	switch {
	case len(os.Args) == 2 && os.Args[1] == "pause":
		<-ended().Done()
	case len(os.Args) == 3 && os.Args[1] == "serve":
		serve(os.Args[2])
	default:
		fmt.Fprintln(os.Stderr, "usage: pod pause | pod serve <address>")
		os.Exit(2)
	}
}

func ended() context.Context {
	ctx, _ := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	return ctx
}

// serve answers `/` with who it is and what it was asked with, `/ready` as READY says (default 200), and `/fetch?url=...`
// with the answer of another server, asked with the caller's headers.
func serve(address string) {
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		name, _ := os.Hostname()
		_ = json.NewEncoder(w).Encode(map[string]any{"pod": name, "version": os.Getenv("VERSION"), "headers": r.Header})
	})
	mux.HandleFunc("/ready", func(w http.ResponseWriter, _ *http.Request) {
		if os.Getenv("READY") == "no" {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	mux.HandleFunc("/fetch", fetch)
	server := &http.Server{Addr: address, Handler: mux}
	fmt.Println("listening on", address)
	go func() {
		<-ended().Done()
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = server.Shutdown(ctx)
	}()
	if err := server.ListenAndServe(); err != http.ErrServerClosed {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func fetch(w http.ResponseWriter, r *http.Request) {
	request, err := http.NewRequestWithContext(r.Context(), http.MethodGet, r.URL.Query().Get("url"), nil)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	request.Header = r.Header.Clone()
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer answer.Body.Close()
	w.WriteHeader(answer.StatusCode)
	_, _ = io.Copy(w, answer.Body)
}
