{{/* The release's name, short enough that <name>-runner-<revision hash> fits a label. */}}
{{- define "shadowstream.name" -}}
{{- $name := .Release.Name -}}
{{- if not (contains .Chart.Name $name) }}{{ $name = printf "%s-%s" $name .Chart.Name }}{{ end -}}
{{- $name | trunc 45 | trimSuffix "-" -}}
{{- end -}}

{{/* {root, role}: what selects the pods of a role. */}}
{{- define "shadowstream.selector" -}}
app.kubernetes.io/name: {{ .root.Chart.Name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .role }}
{{- end -}}

{{/* {root, role}: all labels; role may be empty. */}}
{{- define "shadowstream.labels" -}}
app.kubernetes.io/name: {{ .root.Chart.Name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
{{- with .role }}
app.kubernetes.io/component: {{ . }}
{{- end }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
shadowstream/trial: {{ .root.Values.config.name | quote }}
{{- end -}}

{{- define "shadowstream.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{ .Values.serviceAccount.name | default (include "shadowstream.name" .) }}
{{- else -}}
{{ .Values.serviceAccount.name | default "default" }}
{{- end -}}
{{- end -}}

{{/* {root, role}: the image of a role (a key of the values); its own keys win over the shared ones. */}}
{{- define "shadowstream.image" -}}
{{- $image := mergeOverwrite (deepCopy .root.Values.image) (index .root.Values .role).image -}}
{{- if $image.digest -}}
{{ $image.repository }}@{{ $image.digest }}
{{- else -}}
{{ $image.repository }}:{{ $image.tag | default .root.Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{/* The roles of this release. */}}
{{- define "shadowstream.roles" -}}
{{- $roles := list "runner" "joiner" "judge" -}}
{{- if .Values.alerts.enabled }}{{ $roles = append $roles "alerts" }}{{ end -}}
{{- if .Values.config.labels }}{{ $roles = append $roles "labels" }}{{ end -}}
{{- toJson $roles -}}
{{- end -}}

{{/* The ConfigMap of the writer schemas; empty where none is asked for. */}}
{{- define "shadowstream.schemas" -}}
{{- if .Values.schemas.existingConfigMap -}}
{{ .Values.schemas.existingConfigMap }}
{{- else if .Values.schemas.files -}}
{{ include "shadowstream.name" . }}-schemas
{{- end -}}
{{- end -}}
