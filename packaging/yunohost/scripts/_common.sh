#!/bin/bash

# The configuration stays when the app goes: YunoHost's helpers for files of an app would give it to
# the user `larder`, and it names commands that run as root.
config_dir=/etc/larder

# What the helpers gave to the app's user belongs to root again: root runs it.
larder_own_program() {
    chown -R "root:$app" "$install_dir"
    chmod -R u=rwX,g=rX,o=rX "$install_dir"
}

larder_own_configuration() {
    mkdir -p "$config_dir/secrets"
    chown -R root:root "$config_dir"
    chmod -R u=rwX,g=rX,o= "$config_dir"
    chmod -R go= "$config_dir/secrets"
}

# The proxy's group: its members may reach the web socket, and get no right by that. Whoever may write
# to it is believed when it says who somebody is, so nobody but nginx belongs into it.
larder_add_proxy_group() {
    groupadd --system --force larder-web
    usermod --append --groups larder-web www-data
}

larder_remove_proxy_group() {
    gpasswd --delete www-data larder-web > /dev/null 2>&1
    groupdel larder-web > /dev/null 2>&1
}

# The command, its completion, and the schema that the first line of each file names.
larder_add_command() {
    ln -sfn "$install_dir/larder" /usr/local/bin/larder
    mkdir -p /usr/share/larder /etc/bash_completion.d
    install -m 644 "$install_dir/larder.schema.json" /usr/share/larder/larder.schema.json
    install -m 644 "$install_dir/larder.bash" /etc/bash_completion.d/larder
}

larder_remove_command() {
    ynh_safe_rm /usr/local/bin/larder
    ynh_safe_rm /usr/share/larder
    ynh_safe_rm /etc/bash_completion.d/larder
}

# Its log is the journal's, where YunoHost looks when no file is named.
larder_add_service() {
    yunohost service add "$app" --description="Declarative backups"
}

# The members of YunoHost's group of administrators, one on each line.
larder_administrators() {
    yunohost user group info admins --output-as json | jq --raw-output '.members[]'
}
