package main

import (
	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
)

func render(templates map[string]string, values any, strict, lint bool) (string, error) {
	rendered := &chart.Chart{Metadata: &chart.Metadata{Name: "c", Version: "1.0.0", APIVersion: "v2"}}
	for name, content := range templates {
		rendered.Templates = append(rendered.Templates, &chart.File{Name: name, Data: []byte(content)})
	}
	out, err := engine.Engine{Strict: strict, LintMode: lint}.Render(rendered, chartutil.Values{"Values": values})
	return out["c/templates/x.yaml"], err
}
