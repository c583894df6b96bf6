//! The table of texts.

macro_rules! words {
    ($($key:ident: $english:literal, $french:literal;)*) => {
        /// The texts in one language.
        #[derive(Debug)]
        pub(in crate::dashboard) struct Words {
            $(pub(in crate::dashboard) $key: &'static str,)*
        }

        impl Words {
            /// English.
            pub(in crate::dashboard) const ENGLISH: Self = Self { $($key: $english,)* };
            /// French.
            pub(in crate::dashboard) const FRENCH: Self = Self { $($key: $french,)* };

            /// All of them with their names.
            #[cfg(test)]
            pub(super) fn all(&self) -> Vec<(&'static str, &'static str)> {
                vec![$((stringify!($key), self.$key),)*]
            }
        }
    };
}

words! {
    code: "en", "fr";
    decimal: ".", ",";
    byte_units: "B KiB MiB GiB TiB PiB", "o Kio Mio Gio Tio Pio";
    month_names: "January February March April May June July August September October November December",
        "Janvier Février Mars Avril Mai Juin Juillet Août Septembre Octobre Novembre Décembre";
    weekday_names: "Mo Tu We Th Fr Sa Su", "lu ma me je ve sa di";
    rule_letters: "D W M Y C P H N F", "J S M A C É H N P";
    rules_legend: "D daily, W weekly, M monthly, Y yearly, C among the newest, P pinned, H run by hand, N newest, F newest days; without colour: no archive.",
        "J jour, S semaine, M mois, A année, C parmi les plus récentes, É épinglée, H lancée à la main, N la plus récente, P jours les plus récents ; sans couleur : aucune archive.";

    overview: "Overview", "Vue d’ensemble";
    jobs: "Jobs", "Tâches";
    archives: "Archives", "Archives";
    runs: "Runs", "Exécutions";
    peers: "Peers", "Pairs";
    network: "Network", "Réseau";
    plan: "Plan", "Plan";
    configuration: "Configuration", "Configuration";
    pages: "Pages", "Pages";
    skip: "Skip to the content", "Aller au contenu";

    log_in: "Log in", "Connexion";
    log_out: "Log out", "Déconnexion";
    token: "Token", "Jeton";
    token_hint: "A token with the scope admin. A new one is made by", "Un jeton ayant la portée admin. Pour en créer un :";
    unknown_token: "Nobody knows this token.", "Ce jeton est inconnu.";
    not_admin: "This token does not have the scope admin.", "Ce jeton n’a pas la portée admin.";
    too_many: "Too many tokens were wrong. Wait a little.", "Trop de jetons erronés. Patientez un peu.";
    logged_out: "You are not logged in any more.", "Vous n’êtes plus connecté.";
    not_from_here: "This form was not sent by this page, or is too old.",
        "Ce formulaire ne vient pas de cette page, ou il est trop ancien.";
    not_from_here_hint: "Open the page again, and repeat it.", "Rouvrez la page et recommencez.";
    not_found: "Not found", "Introuvable";
    not_done: "Not done", "Non effectué";
    not_sure: "The box was not ticked, so nothing was done.", "La case n’était pas cochée : rien n’a été fait.";
    to_overview: "To the overview", "Vers la vue d’ensemble";
    to_plan: "To the plan", "Vers le plan";
    to_configuration: "To the configuration", "Vers la configuration";

    attention: "Needs attention", "À examiner";
    job: "Job", "Tâche";
    verdict: "Verdict", "Verdict";
    last_run: "Last run", "Dernière exécution";
    next_run: "Next run", "Prochaine exécution";
    action: "Action", "Action";
    actions: "Actions", "Actions";
    run_now: "Run now", "Exécuter";
    drill_now: "Prove a restore now", "Prouver une restauration";
    disabled: "disabled", "désactivée";
    no_jobs: "There are no jobs yet.", "Il n’y a pas encore de tâche.";
    now: "Now", "En ce moment";
    running: "running", "en cours";
    waiting: "waiting", "en attente";
    nothing: "Nothing.", "Rien.";
    space: "Space", "Espace";
    location: "Location", "Emplacement";
    state: "State", "État";
    size: "Size", "Taille";
    free: "Free", "Libre";
    used: "Used at", "Utilisé à";
    kind: "Kind", "Type";
    schedule: "Schedule", "Horaire";
    keeps: "Keeps", "Conserve";
    goes_to: "Places", "Destinations";
    newest_count: "newest", "plus récentes";
    daily: "daily", "quotidiennes";
    weekly: "weekly", "hebdomadaires";
    monthly: "monthly", "mensuelles";
    yearly: "yearly", "annuelles";
    last_success: "Last success", "Dernier succès";
    good_copies: "Good copies", "Bonnes copies";
    last_drill: "Last drill", "Dernier essai de restauration";
    definition: "Definition", "Définition";
    written_in: "Written in", "Écrite dans";
    no_archives: "No archives.", "Aucune archive.";
    as_list: "As a list", "Sous forme de liste";
    all_archives: "All archives of this job", "Toutes les archives de cette tâche";
    all_runs: "All runs of this job", "Toutes les exécutions de cette tâche";
    history: "History", "Historique";
    archive: "Archive", "Archive";
    made: "Made", "Créée";
    kept_by: "Kept because", "Conservée car";
    leaves_on: "Leaves", "Part le";
    stays: "stays", "reste";

    search: "Name contains", "Le nom contient";
    origin: "Instance", "Instance";
    filter: "Filter", "Filtrer";
    reset: "Reset", "Réinitialiser";
    any: "any", "tous";
    newest: "Newest", "Plus récentes";
    older: "Older", "Plus anciennes";
    copies: "Copies", "Copies";
    verified: "Verified", "Vérifiée";
    in_trash_until: "In the trash until", "Dans la corbeille jusqu’au";
    content: "content", "contenu";
    members: "members", "éléments";
    files: "files", "fichiers";
    directories: "directories", "dossiers";
    others: "others", "autres";
    unreadable: "unreadable", "illisibles";
    changed: "changed while read", "modifiés pendant la lecture";
    vanished: "vanished while read", "disparus pendant la lecture";
    encrypted: "Encrypted", "Chiffrée";
    no: "no", "non";
    config_commit: "Configuration", "Configuration";
    verify: "Verify", "Vérifier";
    pin: "Pin", "Épingler";
    unpin: "Unpin", "Désépingler";
    download: "Download", "Télécharger";
    send: "Send a copy", "Envoyer une copie";
    send_to: "To", "Vers";
    delete: "Delete", "Supprimer";
    delete_sure: "Put this copy into the trash; it is deleted for good when its time there is over.",
        "Mettre cette copie à la corbeille ; elle sera supprimée définitivement à l’échéance.";
    undelete: "Take back from the trash, and pin", "Sortir de la corbeille et épingler";

    run: "Run", "Exécution";
    status: "Status", "Statut";
    what: "What", "Quoi";
    why: "Why", "Pourquoi";
    began: "Began", "Début";
    ended: "Ended", "Fin";
    progress: "Progress of run", "Avancement de l’exécution";
    cause: "Cause", "Cause";
    attempt: "attempt", "tentative";
    queued_at: "Queued", "Mise en file";
    hint: "What to do:", "Que faire :";
    cancel: "Cancel", "Annuler";
    log: "Log", "Journal";
    whole_log: "The beginning is not shown: whole log", "Le début n’est pas affiché : journal complet";

    will_happen: "What happens now", "Ce qui se passe maintenant";
    nothing_now: "Nothing is to be done now.", "Rien à faire pour le moment.";
    looks_again: "Looks again at", "Prochain examen :";
    notes: "Notes", "Remarques";
    unlisted: "Cannot be listed", "Impossible à lister";
    blocked: "Waits for approval", "Attend une approbation";
    would_free: "Would free", "Libérerait";
    approve: "Approve these deletions", "Approuver ces suppressions";
    approve_all: "Approve all these deletions", "Approuver toutes ces suppressions";
    approve_sure: "Delete exactly these archives.", "Supprimer exactement ces archives.";
    end_recovery: "End the recovery", "Terminer la récupération";
    end_recovery_sure: "There is nothing left to take back: jobs run again from now on.",
        "Il n’y a plus rien à récupérer : les tâches reprennent dès maintenant.";
    needs_frees: "Bytes", "Octets";
    forecast: "Forecast", "Prévision";
    show_forecast: "Show the coming 14 days", "Afficher les 14 prochains jours";
    copied: "Copied", "Copiées";
    drilled: "Proved", "Prouvées";
    expired: "Expired", "Expirées";
    day: "Day", "Jour";

    generation: "generation", "génération";
    stale: "In force in an older form:", "En vigueur dans une forme antérieure :";
    diagnostics: "Mistakes and warnings", "Erreurs et avertissements";
    reload: "Read the files again", "Relire les fichiers";
    effective: "In force", "En vigueur";
    try_toml: "Try TOML", "Essayer du TOML";
    try_toml_hint: "It is judged as the files are, and written nowhere.",
        "Il est jugé comme les fichiers, et n’est écrit nulle part.";
    as_file: "As if it were this file (empty: alone)", "Comme si c’était ce fichier (vide : seul)";
    check: "Check", "Vérifier";
    toml_valid: "No mistakes.", "Aucune erreur.";
    toml_invalid: "There are mistakes.", "Il y a des erreurs.";
    place: "Place", "Endroit";

    // The wizard of restores, and what is in an archive.
    contents: "Contents", "Contenu";
    member_path: "Path", "Chemin";
    all_of_it: "Everything", "Tout";
    search_below: "Name contains, here and below", "Le nom contient, ici et plus bas";
    search_button: "Search", "Rechercher";
    from_the_start: "From the start", "Depuis le début";
    go_on: "Go on", "Suite";
    nothing_found: "Nothing has this in its name.", "Aucun nom ne contient cela.";
    empty_directory: "Nothing is in it.", "Il n’y a rien dedans.";
    member_name: "Name", "Nom";
    member_modified: "Modified", "Modifié";
    member_mode: "Mode", "Mode";
    member_owner: "Owner", "Propriétaire";
    open_with_it: "Open", "Ouvrir";
    identity_file: "File of this server with the age identity", "Fichier de ce serveur contenant l’identité age";
    identity_hint: "Left empty: the identity of the location, where it has one.",
        "Laissé vide : l’identité de l’emplacement, s’il en a une.";
    restore: "Restore", "Restaurer";
    what_and_where: "What, and where to", "Quoi, et où";
    restore_paths: "Only these paths", "Seulement ces chemins";
    restore_paths_hint: "One on each line, as they were on the server; left empty: everything. Look for them:",
        "Un par ligne, tels qu’ils étaient sur le serveur ; laissé vide : tout. Les chercher :";
    restore_target: "Elsewhere, below this directory", "Ailleurs, dans ce dossier";
    restore_target_hint: "Left empty: back to where it was, over what is there now. Elsewhere, only files are laid, and nothing else is touched.",
        "Laissé vide : là où c’était, par-dessus ce qui s’y trouve. Ailleurs, seuls des fichiers sont déposés ; rien d’autre n’est touché.";
    restore_from: "Whose archive it is", "À qui est l’archive";
    restore_from_nobody: "nobody says", "non précisé";
    restore_from_hint: "Only then one of another server comes back in place, here. It was made by",
        "Ce n’est qu’alors que celle d’un autre serveur revient en place, ici. Elle a été créée par";
    restore_steps: "Only these steps", "Seulement ces étapes";
    restore_steps_hint: "None ticked: all that belong to it. With paths: files alone.",
        "Aucune cochée : toutes celles qui en font partie. Avec des chemins : les fichiers seuls.";
    restore_safety: "Set aside what is overwritten, so that it can be put back",
        "Mettre de côté ce qui est remplacé, pour pouvoir le remettre";
    show_restore_plan: "Show what would be done", "Montrer ce qui serait fait";
    restore_plan: "What would be done", "Ce qui serait fait";
    restore_in_place: "What is there now is overwritten:", "Ce qui s’y trouve sera remplacé :";
    restore_elsewhere: "It goes elsewhere:", "Déposé ailleurs :";
    restore_exists: "There now", "Déjà présent";
    set_aside: "Set aside", "Mis de côté";
    restore_needs: "Space needed", "Espace nécessaire";
    restore_confirm: "Confirm", "Confirmer";
    restore_type_name: "Type the name of the archive:", "Saisissez le nom de l’archive :";
    restore_wrong_name: "The name that was typed is not that of the archive. Nothing was done.",
        "Le nom saisi n’est pas celui de l’archive. Rien n’a été fait.";
    restore_outcome: "What was done", "Ce qui a été fait";
    restore_undoes: "It undoes", "Annule";
    restore_undone: "This restore was undone.", "Cette restauration a été annulée.";
    restore_step: "Step", "Étape";
    undo: "Undo this restore", "Annuler cette restauration";
    undo_sure: "What it set aside goes back, over what is there now.",
        "Ce qui a été mis de côté est remis, par-dessus ce qui s’y trouve.";

    // Peers.
    peer: "Peer", "Pair";
    of_peer: "Of peer", "Du pair";
    held_by: "Held by", "Conservées chez";
    yes: "yes", "oui";
    never: "never", "jamais";
    soon: "soon", "bientôt";
    optional: "Optional", "Facultatif";
    to_peers: "To the peers", "Vers les pairs";
    no_peers: "There are no peers yet. A peer is another instance, or a host, that keeps copies.",
        "Il n’y a pas encore de pair. Un pair est une autre instance, ou un hôte, qui garde des copies.";
    add_peer: "Add a peer", "Ajouter un pair";
    check_peer: "Check now", "Vérifier maintenant";
    remove_peer: "Remove", "Retirer";
    checked_now: "Checked", "Vérifié";
    peer_added: "Added:", "Ajouté :";
    peer_removed: "removed from the configuration; what rests here of it stays.",
        "retiré de la configuration ; ce qui repose ici de lui reste.";
    last_seen: "Last seen", "Vu pour la dernière fois";
    last_checked: "Last checked", "Vérifié pour la dernière fois";
    next_look: "Next look", "Prochaine vérification";
    comes_to_us: "It comes to us, and is not asked.", "Il vient à nous et n’est pas interrogé.";
    holds_of_ours: "Holds of ours", "Conserve de nos archives";
    we_hold: "We hold of it", "Nous gardons de lui";
    archive_of: "archive", "archive";
    archives_of: "archives", "archives";
    not_good: "not good", "en mauvais état";
    as_of: "as of", "au";
    not_known: "It has not said so yet.", "Il ne l’a pas encore dit.";
    holds_nothing: "Nothing: it is a name for a host.", "Rien : c’est un nom pour un hôte.";
    foreign_files: "Files of this host, which larder did not make", "Fichiers de cet hôte, que larder n’a pas faits";
    offers: "Offers us archives of its own:", "Nous propose de ses archives :";
    may_store: "May do here", "Peut faire ici";
    stores_nothing: "Nothing: it may not store archives here.", "Rien : il ne peut pas déposer d’archives ici.";
    at_location: "Store at", "Déposer dans";
    up_to: "up to", "jusqu’à";
    no_quota: "without a quota", "sans quota";
    quota: "Quota", "Quota";
    quota_used: "Quota used by", "Quota utilisé par";
    immutable_for: "Cannot be deleted for", "Non supprimables pendant";
    scopes: "Rights", "Droits";
    may_restore: "What it sends may run commands in a restore.", "Ce qu’il envoie peut exécuter des commandes lors d’une restauration.";
    is_offline: "It does not answer.", "Il ne répond pas.";
    is_unseen: "Nothing of this host can be seen.", "Rien de cet hôte n’est visible.";
    is_refusing: "It answers, and refuses us or cannot be understood.", "Il répond, mais nous refuse ou n’est pas compris.";
    can_delete: "Our key can delete or replace the copies there, and so can whoever takes over this host.",
        "Notre clé peut y supprimer ou remplacer les copies, et donc quiconque prend le contrôle de cet hôte.";
    can_delete_hint: "Let the key add archives only, with the line of", "Ne laissez la clé qu’ajouter des archives, avec la ligne de";
    reads_only: "Somebody new holds this name, and only reads until that is confirmed:",
        "Quelqu’un de nouveau porte ce nom, et ne fait que lire jusqu’à confirmation :";
    more_of_it: "How it is reached", "Comment il est joint";
    address: "Address", "Adresse";
    host_name: "Host name", "Nom d’hôte";
    looked_for_at: "Looked for at", "Cherché dans";
    folder_there: "Folder there", "Dossier là-bas";
    relay: "Relay", "Relais";
    host_key: "Host key", "Clé d’hôte";
    pinned_certificate: "Pinned certificate (SHA-256)", "Certificat épinglé (SHA-256)";
    authority: "Certificate authority (file)", "Autorité de certification (fichier)";
    bandwidth: "Bandwidth, a second", "Débit, par seconde";
    fetched_from_it: "Jobs fetched from it", "Tâches récupérées chez lui";
    version: "Version", "Version";
    counts_offsite: "Counts as off-site", "Compte comme hors site";
    known_since: "Known since", "Connu depuis";
    not_added: "The peer is not added:", "Le pair n’est pas ajouté :";
    token_again: "A token that was typed is not kept in the form: type it again.",
        "Un jeton saisi n’est pas gardé dans le formulaire : saisissez-le à nouveau.";
    add_writes: "A file of its own is written, and is in force at once.",
        "Un fichier à part est écrit, et est aussitôt en vigueur.";
    add_shows: "Nothing is written: the TOML to commit is shown. With page_edits_peers = true in [instance] it would be written.",
        "Rien n’est écrit : le TOML à ajouter est affiché. Avec page_edits_peers = true dans [instance], il serait écrit.";
    show_toml: "Show the TOML", "Afficher le TOML";
    to_commit: "To commit", "À ajouter à la configuration";
    commit_hint: "It is valid with the whole configuration. Write it as this file below the configuration:",
        "Il est valide avec toute la configuration. Écrivez-le dans ce fichier, sous la configuration :";
    token_goes_to: "The token goes into a file that nobody else can read:",
        "Le jeton va dans un fichier que personne d’autre ne peut lire :";
    not_here: "Not on this host:", "Pas sur cet hôte :";
    kind_instance: "Another larder over HTTPS: each keeps archives of the other. An invitation is the easier way.",
        "Un autre larder en HTTPS : chacun garde des archives de l’autre. Une invitation est plus simple.";
    kind_channel: "A friendly name for a host whose archives show up in a shared location.",
        "Un nom convivial pour un hôte dont les archives apparaissent dans un emplacement partagé.";
    kind_ssh: "A host without larder: copies go there by rsync over SSH.",
        "Un hôte sans larder : les copies y vont par rsync en SSH.";
    kind_relay: "The same where it is reached through a relay, which sees ciphertext only.",
        "De même, à travers un relais qui ne voit que du chiffré.";
    peer_name: "Name", "Nom";
    peer_name_hint: "What it is called here; letters, digits, “-”, “_” and “.”.",
        "Comment il s’appelle ici ; lettres, chiffres, « - », « _ » et « . ».";
    host_name_hint: "As it stands in its archives: nas_web_20260508.tar is of host nas.",
        "Tel qu’il figure dans ses archives : nas_web_20260508.tar est de l’hôte nas.";
    preferred_location: "Preferred location", "Emplacement préféré";
    any_location: "any enabled one", "n’importe lequel";
    form_channel: "The host", "L’hôte";
    form_instance: "The instance", "L’instance";
    form_instance_hint: "What it may do here, and what is sent to it, is written below and in jobs.",
        "Ce qu’il peut faire ici, et ce qui lui est envoyé, se trouve plus bas et dans les tâches.";
    url_hint: "Empty: it comes to us, and is never asked.", "Vide : il vient à nous et n’est jamais interrogé.";
    its_token: "The token that it gave us", "Le jeton qu’il nous a donné";
    its_token_hint: "It is kept in a file of its own, and never shown.", "Il est gardé dans un fichier à part, et jamais affiché.";
    pin_hint: "64 hex digits, where no usual authority vouches for it.",
        "64 chiffres hexadécimaux, si aucune autorité usuelle ne s’en porte garante.";
    form_ssh: "SSH", "SSH";
    form_ssh_hint: "The line that lets this host in there is printed by larder peer key NAME.",
        "La ligne qui laisse entrer cet hôte là-bas est affichée par larder peer key NOM.";
    user_there: "User there", "Utilisateur là-bas";
    relay_hint: "USER@HOST:PORT", "UTILISATEUR@HÔTE:PORT";
    port: "Port", "Port";
    host_key_hint: "A line of known_hosts, or the full path of such a file.",
        "Une ligne de known_hosts, ou le chemin complet d’un tel fichier.";
    own_key: "Our key (file)", "Notre clé (fichier)";
    own_key_hint: "Empty: the one that larder peer key makes.", "Vide : celle que fait larder peer key.";
    accept_hint: "Without this it may store nothing here.", "Sans cela, il ne peut rien déposer ici.";
    token_hash: "Hash of the token that we gave it", "Empreinte du jeton que nous lui avons donné";
    token_hash_hint: "As larder token new prints it.", "Telle que larder token new l’affiche.";
    policy: "Retention", "Conservation";
    policy_hint: "The name of a policy; empty: that of [defaults].", "Le nom d’une règle ; vide : celle de [defaults].";
    form_transfer: "Transfers", "Transferts";
    not_offsite: "It stands beside this host: it does not count as off-site.",
        "Il est à côté de cet hôte : il ne compte pas comme hors site.";
    prune_there: "We delete our expired archives there.", "Nous y supprimons nos archives expirées.";
    bandwidth_hint: "The most that a transfer may use.", "Le maximum qu’un transfert peut utiliser.";
    rsync_above: "Archives above this size go by rsync", "Les archives au-delà de cette taille vont par rsync";
    ssh_host: "SSH host for these", "Hôte SSH pour celles-ci";
    ssh_user: "SSH user there", "Utilisateur SSH là-bas";
    fetch_hint: "With commas.", "Séparées par des virgules.";
    remove_means: "The peer is taken out of the configuration. What rests here of it, and there of ours, stays.",
        "Le pair est retiré de la configuration. Ce qui repose ici de lui, et là-bas de nous, reste.";
    peer_needed: "First this has to change:", "D’abord, ceci doit changer :";
    removes_files: "These files of the configuration are removed:", "Ces fichiers de la configuration sont supprimés :";
    remove_sure: "Remove this peer.", "Retirer ce pair.";
    remove_file: "The page does not edit this. Remove the file", "La page ne modifie pas ceci. Supprimez le fichier";
    remove_lines: "The page does not edit this. Take these lines out of", "La page ne modifie pas ceci. Retirez ces lignes de";
    remove_secret: "and its token:", "et son jeton :";
    invitations: "Invitations", "Invitations";
    invite_peer: "Invite an instance", "Inviter une instance";
    invite_means: "A code lets another instance in once: both sides get a token of the other, and keep its archives.",
        "Un code laisse entrer une fois une autre instance : chaque côté reçoit un jeton de l’autre et garde ses archives.";
    good_until: "Good until", "Valable jusqu’au";
    good_for: "Good for", "Valable";
    for_15_minutes: "15 minutes", "15 minutes";
    for_an_hour: "an hour", "une heure";
    for_a_day: "a day", "un jour";
    for_a_week: "a week", "une semaine";
    its_archives_go: "Its archives go to", "Ses archives vont dans";
    usual_location: "received, or the only location there is", "received, ou le seul emplacement qui existe";
    invite_writes: "Write its file when it comes.", "Écrire son fichier quand elle vient.";
    invite_shows: "When it comes, the TOML to commit is shown here.", "Quand elle vient, le TOML à ajouter est affiché ici.";
    invite_replace: "It is a peer already, whose server was lost: its old token is worth nothing any more.",
        "C’est déjà un pair, dont le serveur est perdu : son ancien jeton ne vaut plus rien.";
    invite_replaces: "comes back with a new server", "revient avec un nouveau serveur";
    invite_written: "Its file is written.", "Son fichier est écrit.";
    invite_confirm: "It only reads until you are sure who it is:", "Elle ne fait que lire jusqu’à ce que vous soyez sûr de son identité :";
    make_code: "Make a code", "Créer un code";
    no_code: "No code was made:", "Aucun code n’a été créé :";
    one_time_code: "Code", "Code";
    code_once: "The code is shown this once. Whoever has it is let in: send it over a way that nobody else reads.",
        "Le code n’est affiché que cette fois. Quiconque l’a peut entrer : envoyez-le par une voie que personne d’autre ne lit.";
    code_there_again: "On the new machine it is given to:", "Sur la nouvelle machine, il est donné à :";
    on_new_machine: "On the new machine", "Sur la nouvelle machine";
    code_there: "On the other side it is given to:", "De l’autre côté, il est donné à :";
    on_other_side: "On the other side", "De l’autre côté";
    accept_code: "You have a code of another instance?", "Vous avez un code d’une autre instance ?";
    accept_code_hint: "It is accepted on this host, by its administrator:", "Il est accepté sur cet hôte, par son administrateur :";
    withdraw: "Withdraw", "Retirer l’invitation";
    seen: "Seen: forget it", "Vu : oublier";
    its_ssh_keys: "Its SSH keys", "Ses clés SSH";

    // The network.
    ago: "# ago", "il y a #";
    just_now: "just now", "à l’instant";
    age_units: "minute minutes hour hours day days", "minute minutes heure heures jour jours";
    of: "of", "sur";
    net_instances: "instances", "instances";
    net_jobs: "jobs", "tâches";
    net_archives: "archives", "archives";
    net_away: "not there", "absentes";
    net_overdue: "overdue", "en retard";
    net_search: "Instance or job contains", "L’instance ou la tâche contient";
    net_show: "Show", "Afficher";
    net_show_overdue: "overdue jobs", "tâches en retard";
    net_show_trouble: "what needs somebody", "ce qui demande attention";
    net_show_away: "instances that are not there", "instances absentes";
    net_late: "Overdue", "En retard";
    net_all_overdue: "All overdue jobs", "Toutes les tâches en retard";
    net_expected: "expected by", "attendue avant le";
    net_this: "this instance", "cette instance";
    net_online: "there", "présente";
    net_offline: "not there", "absente";
    net_error: "refuses", "refuse";
    net_unknown: "not asked yet", "pas encore interrogée";
    net_its_page: "Its page", "Sa page";
    net_as_known: "As it was known", "Selon ce qu’on savait";
    net_may_differ: "It may have changed since.", "Cela a pu changer depuis.";
    net_heard: "Last heard of", "Dernier contact";
    net_never: "never", "jamais";
    net_version: "Version", "Version";
    net_kept: "Kept here of it", "Conservées ici pour elle";
    net_last_result: "Last result", "Dernier résultat";
    net_all_jobs: "All its jobs", "Toutes ses tâches";
    net_no_jobs_told: "It told nothing of its jobs.", "Elle n’a rien dit de ses tâches.";
    net_before: "Previous", "Précédentes";
    net_after: "Next", "Suivantes";

    // Plots.
    colon: ":", "\u{a0}:";
    time_units: "s min h d", "s min h j";
    successes: "A year of successes", "Une année de succès";
    sizes: "Size of archives", "Taille des archives";
    durations: "Duration of runs", "Durée des exécutions";
    room: "Room taken by archives", "Place prise par les archives";
    nothing_to_plot: "Nothing to draw yet.", "Rien à dessiner pour l’instant.";
    size_of_file: "File", "Fichier";
    size_of_content: "Content", "Contenu";
    gone_by_now: "gone by now", "partie depuis";
    with_warning: "partial, or with a warning", "partielle, ou avec un avertissement";
    to_be_doubted: "suspect or damaged", "suspecte ou endommagée";
    stands_out: "What stands out", "Ce qui sort du lot";
    newest_one: "Newest", "Dernière";
    smallest: "Smallest", "Plus petite";
    largest: "Largest", "Plus grande";
    longest: "Longest", "Plus longue";
    as_table: "As a table", "Sous forme de tableau";
    month: "Month", "Mois";
    day_missed: "missed", "manqué";
    day_nothing: "nothing due", "rien de prévu";
    day_unknown: "not remembered", "pas en mémoire";
    taken: "Archives", "Archives";
    seen_then: "seen", "constaté";
    full: "full", "plein";
    room_for: "Room for archives", "Place pour les archives";
    full_now: "Full: the next archive does not fit", "Plein : la prochaine archive n’y tient pas";
    full_tomorrow: "At this pace full tomorrow ({day})", "À ce rythme, plein demain ({day})";
    full_in: "At this pace full in about {} days ({day})",
        "À ce rythme, plein dans environ {} jours ({day})";
    full_on: "At this pace full on {day}", "À ce rythme, plein le {day}";
    stays_below: "Stays below {} for the coming year", "Reste sous {} pendant l’année à venir";
    nothing_comes: "No archive is foreseen here", "Aucune archive n’est prévue ici";
    forecast_rule: "Foreseen as if every run succeeds, retention does what it says, archives grow as they did, and so does what else is on the disk.",
        "Prévu comme si chaque exécution réussissait, que la rétention suivait ses règles et que les archives, comme le reste du disque, grossissaient au même rythme.";
    written_by: "Written by", "Alimenté par";
    folder: "Folder", "Dossier";
    stays_free: "Must stay free", "Doit rester libre";

    // Forms that make TOML.
    new_job: "New job", "Nouvelle tâche";
    change_job: "Change this job", "Modifier cette tâche";
    change_title: "Change", "Modifier";
    form_intro: "This form writes nothing: it makes TOML to commit, judged as the files are.",
        "Ce formulaire n’écrit rien : il produit du TOML à valider dans le dépôt, jugé comme les fichiers.";
    form_in_force: "It is filled in with what is in force. What is empty stays as the defaults have it.",
        "Il est rempli avec ce qui est en vigueur. Ce qui est vide reste aux valeurs par défaut.";
    which_type: "What is to be kept?", "Que faut-il conserver ?";
    other_type: "Something else", "Autre chose";
    about_custom_dir: "Files below a directory.", "Les fichiers d’un dossier.";
    about_mysql: "A dump of a database, or of each one.", "L’export d’une base, ou de chacune.";
    about_postgresql: "A dump of a database, or of each one.", "L’export d’une base, ou de chacune.";
    about_ynh_app: "An app, or each one, as YunoHost saves it.", "Une application, ou chacune, comme YunoHost la sauvegarde.";
    about_ynh_system: "YunoHost’s own settings and data.", "Les réglages et données de YunoHost.";
    look_uncovered: "Look for what no job keeps", "Chercher ce qu’aucune tâche ne conserve";
    look_takes: "It looks at this host’s databases, apps and directories, and may take a while.",
        "Cela examine les bases, applications et dossiers de cette machine, et peut prendre un moment.";
    uncovered: "What no job keeps", "Ce qu’aucune tâche ne conserve";
    all_covered: "Everything that was found is kept.", "Tout ce qui a été trouvé est conservé.";
    found: "Found", "Trouvé";
    kept: "Kept", "Conservé";
    make_job: "Make a job", "Créer une tâche";
    part_source: "What", "Quoi";
    part_when: "When", "Quand";
    part_keep: "How long", "Combien de temps";
    part_where: "Where", "Où";
    part_around: "Commands around it", "Commandes autour";
    part_goal: "Wanted outcome and proof", "Résultat voulu et preuve";
    part_restore: "What a restore does beside the files", "Ce qu’une restauration fait en plus des fichiers";
    part_more: "Everything else", "Tout le reste";
    as_defaults: "as the defaults say", "selon les valeurs par défaut";
    as_job: "as the job", "comme la tâche";
    usual: "usual", "habituel";
    no_default: "no default", "pas de valeur par défaut";
    next_times: "Next:", "Prochaines fois :";
    own_keys: "Its own terms", "Ses propres conditions";
    own_policy: "Keeps there", "Y conserve";
    is_encrypted: "encrypted", "chiffré";
    policy_count: "the newest, by number", "les plus récentes, par nombre";
    policy_daily: "one a day, for days", "une par jour, sur plusieurs jours";
    policy_gfs: "days, weeks, months and years", "jours, semaines, mois et années";
    would_keep: "With one archive a day, there would be so many after 120 days:",
        "Avec une archive par jour, il y en aurait après 120 jours :";
    would_reach: "the oldest of", "la plus ancienne du";
    always_newest: "The newest good one always stays.", "La plus récente bonne archive reste toujours.";
    the_toml: "The TOML", "Le TOML";
    make_toml: "Make the TOML", "Produire le TOML";
    put_new: "A new file below the configuration directory, for instance", "Un nouveau fichier sous le dossier de configuration, par exemple";
    put_instead: "In place of the table that stands at", "À la place de la table qui se trouve à";
    copy_text: "Copy", "Copier";
    copied_text: "Copied", "Copié";
    none_yet: "It stands here once something is filled in.", "Il s’affiche ici dès que quelque chose est rempli.";
    secret_how: "Kept in", "Gardé dans";
    secret_file: "a file", "un fichier";
    secret_credential: "a systemd credential", "un credential systemd";
    secret_env: "an environment variable", "une variable d’environnement";
    secret_command: "what a command prints", "la sortie d’une commande";
    secret_none: "none", "aucun";
    adopt: "Adopt", "Adopter";
    adopt_as: "As an archive of", "Comme archive de";
    line_word: "line", "ligne";
    peers_word: "peer", "pair";

    // Here the table ends.
}
