{{/* {root, role, args}: the pod template of a role. Pod Security "restricted" holds for it, whatever the values say.
     Optional: values, the key of its values where that is not the role; once, for a pod that ends by itself and serves
     nothing; server, {name, port, ready} where it does not serve metrics; secret, one more. */}}
{{- define "shadowstream.pod" -}}
{{- $root := .root -}}
{{- $key := .values | default .role -}}
{{- $values := index $root.Values $key -}}
{{- $server := .server | default (dict "name" "metrics" "port" $root.Values.metrics.port "ready" "/readyz") -}}
{{- $schemas := include "shadowstream.schemas" $root -}}
metadata:
  annotations:
    checksum/config: {{ list $root.Values.config $root.Values.schemas | toJson | sha256sum }}
    {{- with $values.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  labels:
    {{- include "shadowstream.labels" . | nindent 4 }}
    {{- with $values.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  serviceAccountName: {{ include "shadowstream.serviceAccount" $root }}
  automountServiceAccountToken: false
  # Service links would set SHADOWSTREAM_* variables.
  enableServiceLinks: false
  terminationGracePeriodSeconds: 30
  {{- if .once }}
  restartPolicy: Never
  {{- end }}
  {{- with $root.Values.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  securityContext:
    runAsNonRoot: true
    {{- with $root.Values.runAsUser }}
    runAsUser: {{ . }}
    runAsGroup: {{ . }}
    {{- end }}
    {{- with $root.Values.fsGroup }}
    fsGroup: {{ . }}
    {{- end }}
    seccompProfile: {type: RuntimeDefault}
  containers:
    - name: {{ .role }}
      image: {{ include "shadowstream.image" (dict "root" $root "role" $key) | quote }}
      imagePullPolicy: {{ (mergeOverwrite (deepCopy $root.Values.image) $values.image).pullPolicy }}
      args:
        {{- toYaml .args | nindent 8 }}
      env:
        - name: POD_NAME
          valueFrom: {fieldRef: {fieldPath: metadata.name}}
        {{- with $root.Values.extraEnv }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- with compact (list $root.Values.existingSecret $values.existingSecret .secret) }}
      envFrom:
        # The role's own Secret is last, so its keys win.
        {{- range . }}
        - secretRef: {name: {{ . | quote }}}
        {{- end }}
      {{- end }}
      {{- if not .once }}
      ports:
        - {name: {{ $server.name }}, containerPort: {{ $server.port }}, protocol: TCP}
      startupProbe:
        httpGet: {path: /healthz, port: {{ $server.name }}}
        periodSeconds: 2
        failureThreshold: 60
      livenessProbe:
        httpGet: {path: /healthz, port: {{ $server.name }}}
        periodSeconds: 10
        timeoutSeconds: 5
        failureThreshold: 6
      readinessProbe:
        httpGet: {path: {{ $server.ready }}, port: {{ $server.name }}}
        periodSeconds: 5
        timeoutSeconds: 5
      {{- end }}
      resources:
        {{- toYaml $values.resources | nindent 8 }}
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        runAsNonRoot: true
        capabilities: {drop: [ALL]}
        seccompProfile: {type: RuntimeDefault}
      volumeMounts:
        # By subPath, so that the schemas can stand beside it; a change of the config restarts the pod by its checksum.
        - {name: config, mountPath: /etc/shadowstream/trial.yaml, subPath: trial.yaml, readOnly: true}
        {{- if $schemas }}
        - {name: schemas, mountPath: /etc/shadowstream/schemas, readOnly: true}
        {{- end }}
        - {name: tmp, mountPath: /tmp}
        {{- with $root.Values.extraVolumeMounts }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
  volumes:
    - name: config
      configMap: {name: {{ include "shadowstream.name" $root }}-trial}
    {{- if $schemas }}
    - name: schemas
      configMap: {name: {{ $schemas | quote }}}
    {{- end }}
    - name: tmp
      emptyDir: {sizeLimit: {{ $root.Values.tmpSizeLimit | quote }}}
    {{- with $root.Values.extraVolumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with $values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $values.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $values.topologySpreadConstraints }}
  topologySpreadConstraints:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}
