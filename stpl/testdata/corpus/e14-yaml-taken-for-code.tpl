#cloud-config
%packages: [curl, git]
runcmd: []
