package main

import (
	"github.com/spf13/cobra"

	"correio/services/correio/internal/client"
	"correio/services/correio/internal/usage"
	"correio/services/internal/text"
)

// defaultLab is where the page is unless somebody chose another port.
const defaultLab = "http://127.0.0.1:8080"

// running returns the lab that the person means. Whether it runs shows when it
// is asked something.
func (a *app) running(cmd *cobra.Command) (*client.Lab, error) {
	lab, err := client.New(a.lab)
	if err != nil {
		return nil, usage.Errorf(cmd, badLab, a.lab)
	}
	return lab, nil
}

func textError(t text.Text, args ...any) error { return text.Errorf(t, args...) }
