"""Words: templates, rendering, segments, and how a reply is read. Text in, values out."""
