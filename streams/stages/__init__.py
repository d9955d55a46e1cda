"""The stages, one file each; `streams.topology` lists them in the order of the flow."""
