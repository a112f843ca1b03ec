package main

import (
	"helm.sh/helm/v4/pkg/chart/common"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/engine"
)

func render(templates map[string]string, values any, strict, lint bool) (string, error) {
	rendered := &chart.Chart{Metadata: &chart.Metadata{Name: "c", Version: "1.0.0", APIVersion: "v2"}}
	for name, content := range templates {
		rendered.Templates = append(rendered.Templates, &common.File{Name: name, Data: []byte(content)})
	}
	out, err := engine.Engine{Strict: strict, LintMode: lint}.Render(rendered, common.Values{"Values": values})
	return out["c/templates/x.yaml"], err
}
