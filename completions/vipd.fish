# Completion of vipd for fish. Made by src/cli/manual/write-manual.ts: do not edit.

complete -c vipd -f
complete -c vipd -n 'not __fish_seen_subcommand_from cleanup witness' -a cleanup -d 'take the VIPs down and make the database read-only, unless an agent runs'
complete -c vipd -n 'not __fish_seen_subcommand_from cleanup witness' -a witness -d 'run the third voter, which holds no data'
complete -c vipd -s V -l version -d 'output the version number'
complete -c vipd -s c -l config -r -F -d 'configuration file'
complete -c vipd -l log-level -x -a 'trace debug info warn error fatal' -d 'least severe lines to log'
complete -c vipd -s h -l help -d 'display help for command'
complete -c vipd -n '__fish_seen_subcommand_from cleanup' -s c -l config -r -F -d 'configuration file'
complete -c vipd -n '__fish_seen_subcommand_from cleanup' -s h -l help -d 'display help for command'
complete -c vipd -n '__fish_seen_subcommand_from witness; and not __fish_seen_subcommand_from init' -a init -d 'tell a witness that lost its record that the group may start afresh'
complete -c vipd -n '__fish_seen_subcommand_from witness; and not __fish_seen_subcommand_from init' -s c -l config -r -F -d 'configuration file of the witness (default: /etc/vipd/witness.yaml)'
complete -c vipd -n '__fish_seen_subcommand_from witness; and not __fish_seen_subcommand_from init' -l log-level -x -a 'trace debug info warn error fatal' -d 'least severe lines to log'
complete -c vipd -n '__fish_seen_subcommand_from witness; and not __fish_seen_subcommand_from init' -s h -l help -d 'display help for command'
complete -c vipd -n '__fish_seen_subcommand_from witness; and __fish_seen_subcommand_from init' -s c -l config -r -F -d 'configuration file of the witness'
complete -c vipd -n '__fish_seen_subcommand_from witness; and __fish_seen_subcommand_from init' -s h -l help -d 'display help for command'
