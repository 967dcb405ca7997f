"""A verdict for people and pipelines: an HTML page with plots, Markdown for a pull request, JUnit XML.

`facts` gathers what the topics say, each form is made from that alone: no form reads a topic, none sees a value that
was not in diff, so whatever was redacted there stays so.
"""
