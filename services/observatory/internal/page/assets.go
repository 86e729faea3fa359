package page

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"path"
)

//go:embed assets
var assetFiles embed.FS

// contentTypes are the types of files that the page has; others are refused.
var contentTypes = map[string]string{
	".css": "text/css; charset=utf-8",
	".js":  "text/javascript; charset=utf-8",
	".svg": "image/svg+xml",
}

type asset struct {
	data        []byte
	contentType string
	version     string // of its content
}

// assets are the files that the page loads, by name.
type assets map[string]asset

func loadAssets() (assets, error) {
	entries, err := fs.ReadDir(assetFiles, "assets")
	if err != nil {
		return nil, fmt.Errorf("read assets: %w", err)
	}
	files := assets{}
	for _, e := range entries {
		data, err := fs.ReadFile(assetFiles, "assets/"+e.Name())
		if err != nil {
			return nil, fmt.Errorf("read assets: %w", err)
		}
		kind, ok := contentTypes[path.Ext(e.Name())]
		if !ok {
			return nil, fmt.Errorf("asset %s: no content type is known for it", e.Name())
		}
		sum := sha256.Sum256(data)
		files[e.Name()] = asset{data: data, contentType: kind, version: hex.EncodeToString(sum[:6])}
	}
	return files, nil
}

// url is where a template finds a file: another address for another content,
// so that browsers may keep it for ever.
func (a assets) url(name string) (string, error) {
	f, ok := a[name]
	if !ok {
		return "", fmt.Errorf("no asset %q", name)
	}
	return "/assets/" + name + "?v=" + f.version, nil
}

func (a assets) serve(w http.ResponseWriter, r *http.Request) {
	f, ok := a[r.PathValue("name")]
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", f.contentType)
	w.Header().Set("Cache-Control", "no-cache")
	if r.URL.Query().Get("v") == f.version {
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	_, _ = w.Write(f.data) // an error of the connection is the browser's to notice
}
